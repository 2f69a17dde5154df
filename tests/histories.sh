#!/bin/bash
# takes: 25
# Four clients on three keys at once, over UDP: an order of their requests explains
# what each of them was told, whoever answers.

source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

histories() { timeout 60 blackbox histories --addr 127.0.0.1:11211 --duration 4 --timeout-ms 5000; }
policy() { echo "$1" >/sys/module/unbuckle/parameters/routing; }

check 'load' load memory=16 workers=2 cpus=0-1 responders=4
check 'two workers in turn' histories
check 'a worker for each key' policy key
check 'by key' histories
check 'in the hook' policy inline
check 'inline' histories
check 'unload' unload
check 'one lock, no more memory than needed' load memory=4 workers=2 cpus=0-1 stripes=1
check 'under one lock' histories
check 'unload again' unload
finish
