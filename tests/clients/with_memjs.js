// SPDX-License-Identifier: GPL-2.0-only
// memjs: the binary protocol over TCP.

'use strict';

const memjs = require('memjs');
const { check, key, run, server, sleep } = require('./check.js');

run(async () => {
  const client = memjs.Client.create(server, { timeout: 10, conntimeout: 10, retries: 0, failover: false });
  const k = `${key}k`;
  const get = async (name) => {
    const { value } = await client.get(name);
    return value === null ? null : value.toString('latin1');
  };
  const no = { expires: 0 };

  check('set', await client.set(k, 'hello', no), true);
  check('get', await get(k), 'hello');
  check('get of a miss', await get(`${key}none`), null);
  check('add of a stored key', await client.add(k, 'x', no), false);
  check('add', await client.add(`${key}new`, 'x', no), true);
  check('replace', await client.replace(k, 'world', no), true);
  check('replace of a miss', await client.replace(`${key}none`, 'x', no), false);
  check('append', await client.append(k, '!'), true);
  check('prepend', await client.prepend(k, '>'), true);
  check('append of a miss', await client.append(`${key}none`, 'x').catch(() => 'refused'), 'refused');
  // Its prepend sends an append.
  check('get of all that', await get(k), 'world!>');
  const bytes = Buffer.from([0, 13, 10, 255, 128]);
  check('set of bytes', await client.set(k, bytes, no), true);
  check('get of bytes', (await client.get(k)).value, bytes);
  check('delete', await client.delete(k), true);
  check('delete of a miss', await client.delete(k), false);
  check('increment that makes', (await client.increment(k, 1, { initial: 10 })).value, 10);
  check('increment', (await client.increment(k, 5, { initial: 10 })).value, 15);
  check('decrement', (await client.decrement(k, 6, { initial: 10 })).value, 9);
  check('decrement below 0', (await client.decrement(k, 100, { initial: 10 })).value, 0);
  const names = Array.from({ length: 100 }, (_, i) => `${key}m${i}`);
  await Promise.all(names.map((name) => client.set(name, name.repeat(3), no)));
  const all = await Promise.all(names.map(get));
  check('a hundred at once', all, names.map((name) => name.repeat(3)));
  const large = '0123456789abcdef'.repeat(60000);
  check('set of 960,000 bytes', await client.set(k, large, no), true);
  check('get of 960,000 bytes', (await get(k)) === large, true);
  check('set of 2 MB', await client.set(k, 'x'.repeat(2000000), no).catch(() => false), false);
  check('set after that', [await client.set(k, 'x', no), await get(k)], [true, 'x']);
  await client.set(`${key}e1`, 'x', { expires: 1 });
  await client.set(`${key}e2`, 'x', { expires: 100 });
  await client.set(`${key}e3`, 'x', { expires: 1 });
  check('touch', await client.touch(`${key}e3`, 100), true);
  await sleep(2200);
  check('expired', await get(`${key}e1`), null);
  check('not expired', await get(`${key}e2`), 'x');
  check('touched in time', await get(`${key}e3`), 'x');
  const stats = await new Promise((done, failed) => {
    client.stats((error, _server, found) => (error ? failed(error) : done(found)));
  });
  check('stats', Number(stats.curr_items) > 0 && 'get_hits' in stats, true);
  await new Promise((done) => client.flush(done));
  check('get after flush', await get(`${key}e2`), null);
  client.close();
});
