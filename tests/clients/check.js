// SPDX-License-Identifier: GPL-2.0-only
// What the Node.js clients' scripts have in common: a line for each check.

'use strict';

const { isDeepStrictEqual, inspect } = require('node:util');

exports.server = `${process.argv[2]}:${process.argv[3]}`;
exports.key = `${process.hrtime.bigint().toString(36)}_`;

exports.check = (what, got, wanted) => {
  const show = (value) => inspect(value, { breakLength: Infinity }).slice(0, 200);
  if (isDeepStrictEqual(got, wanted)) console.log(`ok ${what}`);
  else console.log(`FAIL ${what}: wanted ${show(wanted)}, got ${show(got)}`);
};

exports.sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Runs a script to its end, which must come within a minute.
exports.run = (script) => {
  const late = setTimeout(() => {
    console.log('FAIL the script: no end within 60 s');
    process.exit(1);
  }, 60000);
  script().then(
    () => clearTimeout(late),
    (error) => {
      console.log(`FAIL the script: ${error && error.stack}`);
      process.exit(1);
    },
  );
};
