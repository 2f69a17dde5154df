// SPDX-License-Identifier: GPL-2.0-only
// npm memcached: text over TCP.

'use strict';

const Memcached = require('memcached');
const { check, key, run, server, sleep } = require('./check.js');

run(async () => {
  const client = new Memcached(server, { timeout: 10000, retries: 0 });
  const ask = (command, ...args) =>
    new Promise((done, failed) => {
      client[command](...args, (error, value) => (error ? failed(error) : done(value)));
    });
  const refused = (command, ...args) => ask(command, ...args).then((value) => value, () => 'refused');
  const k = `${key}k`;

  check('set', await ask('set', k, 'hello', 0), true);
  check('get', await ask('get', k), 'hello');
  check('get of a miss', await ask('get', `${key}none`), undefined);
  check('add of a stored key', await refused('add', k, 'x', 0), 'refused');
  check('add', await ask('add', `${key}new`, 'x', 0), true);
  check('replace', await ask('replace', k, 'world', 0), true);
  check('replace of a miss', await refused('replace', `${key}none`, 'x', 0), 'refused');
  check('append', await ask('append', k, '!'), true);
  check('prepend', await ask('prepend', k, '>'), true);
  check('get of all that', await ask('get', k), '>world!');
  check('an object', [await ask('set', k, { a: [1, null] }, 0), await ask('get', k)], [true, { a: [1, null] }]);
  check('a number', [await ask('set', k, 7, 0), await ask('get', k)], [true, 7]);
  const bytes = Buffer.from([0, 13, 10, 255, 13, 10]);
  check('bytes', [await ask('set', k, bytes, 0), await ask('get', k)], [true, bytes]);
  await ask('set', k, 'one', 0);
  const { cas } = await ask('gets', k);
  check('cas', await ask('cas', k, 'two', cas, 0), true);
  check('cas of an old unique', await ask('cas', k, 'three', cas, 0), false);
  check('get after cas', await ask('get', k), 'two');
  await ask('set', k, 10, 0);
  check('incr', await ask('incr', k, 5), 15);
  check('decr', await ask('decr', k, 6), 9);
  check('incr of a miss', await ask('incr', `${key}none`, 1), false);
  await ask('set', k, 'word', 0);
  check('incr of a word', await refused('incr', k, 1), 'refused');
  const many = {};
  for (let i = 0; i < 100; i += 1) many[`${key}m${i}`] = 'v'.repeat(i + 1);
  await Promise.all(Object.entries(many).map(([name, value]) => ask('set', name, value, 0)));
  check('getMulti', await ask('getMulti', [...Object.keys(many), `${key}none`]), many);
  const large = '0123456789abcdef'.repeat(60000);
  check('set of 960,000 bytes', await ask('set', k, large, 0), true);
  check('get of 960,000 bytes', (await ask('get', k)) === large, true);
  check('delete', await ask('del', k), true);
  check('delete of a miss', await ask('del', k), false);
  await ask('set', `${key}e1`, 'x', 1);
  await ask('set', `${key}e2`, 'x', 100);
  await ask('set', `${key}e3`, 'x', 1);
  check('touch', await ask('touch', `${key}e3`, 100), true);
  await sleep(2200);
  check('expired', await ask('get', `${key}e1`), undefined);
  check('not expired', await ask('get', `${key}e2`), 'x');
  check('touched in time', await ask('get', `${key}e3`), 'x');
  const [{ version }] = await ask('version');
  check('version', version.length > 0, true);
  const [stats] = await ask('stats');
  check('stats', stats.curr_items > 0 && stats.limit_maxbytes > 0, true);
  check('flush', await ask('flush'), [true]);
  check('get after flush', await ask('get', `${key}e2`), undefined);
  client.end();
});
