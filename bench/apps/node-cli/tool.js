#!/usr/bin/env node
'use strict';
const { Command } = require('commander');
const program = new Command('tool').version(require('./package.json').version);

for (const name of ['render', 'convert', 'styles', 'minify', 'links', 'pack', 'log']) {
  const command = program.command(`${name} [file]`);
  command.action(async file => {
    // Only what is asked for is loaded.
    const run = require(`./commands/${name}`);
    process.stdout.write((await run(file)) + '\n');
  });
}
program.parseAsync().catch(error => {
  console.error(`tool: ${error.message}`);
  process.exit(3);
});
