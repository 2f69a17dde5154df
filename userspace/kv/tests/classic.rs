// SPDX-License-Identifier: GPL-2.0-only
//! Classic commands besides `get`, `set` and `delete`, bytes in, bytes out. Every answer was observed on memcached 1.6.45 as
//! well, but for cas numbers, and where a comment says otherwise.
#![allow(missing_docs)]

mod common;

use common::check;

#[test]
fn arithmetic() {
    check(&[
        ("set k 0 0 3\r\n   \r\nincr k 1\r\nget k\r\n", "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nVALUE k 0 3\r\n   \r\nEND\r\n"),
        ("set k 0 0 3\r\n 5 \r\nincr k 1\r\nget k\r\n", "STORED\r\n6\r\nVALUE k 0 3\r\n6  \r\nEND\r\n"),
        ("set k 0 0 2\r\n+5\r\nincr k 1\r\n", "STORED\r\n6\r\n"),
        ("set k 0 0 2\r\n-5\r\nincr k 1\r\nget k\r\n", "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nVALUE k 0 2\r\n-5\r\nEND\r\n"),
        ("set k 0 0 5\r\n5 abc\r\nincr k 1\r\n", "STORED\r\n6\r\n"),
        ("set k 0 0 2\r\n5a\r\nincr k 1\r\n", "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        ("set k 0 0 0\r\n\r\nincr k 1\r\n", "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        ("set k 0 0 20\r\n18446744073709551615\r\nincr k 1\r\nget k\r\n", "STORED\r\n0\r\nVALUE k 0 20\r\n0                   \r\nEND\r\n"),
        ("set k 0 0 20\r\n18446744073709551616\r\nincr k 1\r\nget k\r\n", "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nVALUE k 0 20\r\n18446744073709551616\r\nEND\r\n"),
        ("set k 0 0 24\r\n000018446744073709551615\r\nincr k 1\r\nget k\r\n", "STORED\r\n0\r\nVALUE k 0 24\r\n0                       \r\nEND\r\n"),
        ("set k 0 0 30\r\n000000000000000000000000000005\r\nincr k 1\r\nget k\r\n", "STORED\r\n6\r\nVALUE k 0 30\r\n6                             \r\nEND\r\n"),
        ("set k 0 0 2\r\n10\r\ndecr k 1\r\nget k\r\n", "STORED\r\n9\r\nVALUE k 0 2\r\n9 \r\nEND\r\n"),
        ("set k 0 0 2\r\n10\r\ndecr k 100\r\nget k\r\n", "STORED\r\n0\r\nVALUE k 0 2\r\n0 \r\nEND\r\n"),
        ("set k 0 0 2\r\n10\r\nincr k 100\r\nget k\r\n", "STORED\r\n110\r\nVALUE k 0 3\r\n110\r\nEND\r\n"),
        ("set k 0 0 2\r\n10\r\nincr k abc\r\nincr k -1\r\nincr k 18446744073709551615\r\nincr k 18446744073709551616\r\nincr k +1\r\nincr k 00001\r\nincr k\r\nincr\r\nincr k 1 2\r\nincr k 1 noreply\r\nget k\r\n", "STORED\r\nCLIENT_ERROR invalid numeric delta argument\r\nCLIENT_ERROR invalid numeric delta argument\r\n9\r\nCLIENT_ERROR invalid numeric delta argument\r\nCLIENT_ERROR invalid numeric delta argument\r\n10\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\n11\r\nVALUE k 0 2\r\n12\r\nEND\r\n"),
        ("incr nok 1\r\ndecr nok 1\r\nincr nok 1 noreply\r\n", "NOT_FOUND\r\nNOT_FOUND\r\n"),
    ]);
}

#[test]
fn touch_and_gat() {
    check(&[
        ("touch k\r\ntouch k abc\r\ntouch k 0\r\ntouch\r\ntouch k 1 2\r\n", "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR invalid exptime argument\r\nNOT_FOUND\r\nCLIENT_ERROR bad command line format\r\nNOT_FOUND\r\n"),
        ("set k 0 0 1\r\nx\r\ntouch k 0\r\ntouch k 0 noreply\r\ntouch k -1\r\nget k\r\n", "STORED\r\nTOUCHED\r\nTOUCHED\r\nEND\r\n"),
        ("gat\r\ngat 0\r\ngat abc k\r\ngat 0 k\r\ngats 0\r\n", "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR invalid exptime argument\r\nEND\r\nCLIENT_ERROR bad command line format\r\n"),
        ("set k 5 0 1\r\nx\r\ngat 100 k j k\r\ngats 0 k\r\ngat -1 k\r\nget k\r\n", "STORED\r\nVALUE k 5 1\r\nx\r\nVALUE k 5 1\r\nx\r\nEND\r\nVALUE k 5 1 1\r\nx\r\nEND\r\nVALUE k 5 1\r\nx\r\nEND\r\nEND\r\n"),
    ]);
}

#[test]
fn conditional_storage() {
    check(&[
        ("add k 0 0 1\r\nx\r\nadd k 0 0 1\r\ny\r\nget k\r\n", "STORED\r\nNOT_STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n"),
        ("replace k 0 0 1\r\nx\r\nset k 0 0 1\r\nx\r\nreplace k 3 0 1\r\ny\r\nget k\r\n", "NOT_STORED\r\nSTORED\r\nSTORED\r\nVALUE k 3 1\r\ny\r\nEND\r\n"),
        ("append k 0 0 1\r\nx\r\nset k 4 0 1\r\nx\r\nappend k 3 9 1\r\ny\r\nprepend k 0 -1 2\r\nzz\r\nget k\r\n", "NOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\nVALUE k 4 4\r\nzzxy\r\nEND\r\n"),
        ("append k 0 0 1 noreply\r\nx\r\nprepend k 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        ("cas k 0 0 1 1\r\nx\r\nset k 0 0 1\r\nx\r\ncas k 0 0 1 1\r\ny\r\ncas k 0 0 1\r\nx\r\ncas k 0 0 1 abc\r\nx\r\ncas k 0 0 1 0\r\nx\r\nget k\r\n", "NOT_FOUND\r\nSTORED\r\nSTORED\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nEXISTS\r\nVALUE k 0 1\r\ny\r\nEND\r\n"),
        ("cas k 0 0 1 1 noreply\r\nx\r\ncas k 0 0 1 noreply\r\nx\r\n", ""),
        ("cas k 0 0\r\nadd k\r\nreplace\r\n", "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\n"),
        ("add k 0 0 2\r\nx\r\nprepend k 0 x 1\r\nx\r\nversion\r\n", "CLIENT_ERROR bad data chunk\r\nERROR\r\nCLIENT_ERROR bad command line format\r\nVERSION 1.6.45-unbuckle-0.1.0\r\n"),
    ]);
}
