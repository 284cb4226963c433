#!/usr/bin/env node
/**
 * The command `coatcheck`: finds the subcommand and turns its failures into one line and an exit code.
 *
 * Exit codes: 0 done, 1 the world did not play along (a port is taken), 2 the command line is wrong.
 *
 * @module
 */

import { runBalancer } from './balancer.ts'
import { CommandLineError } from './command-line-error.ts'

const HELP = `Usage: coatcheck <command> [options]

Commands:
  balancer   balances requests over several servers; see coatcheck balancer --help
`

const [command, ...args] = process.argv.slice(2)

try {
  await run()
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  console.error(`coatcheck: ${message.replaceAll(/\s*\n\s*/g, ' ')}`)
  process.exitCode = error instanceof CommandLineError ? 2 : 1
}

async function run(): Promise<void> {
  if (command === undefined) throw new CommandLineError('a command is missing; see coatcheck --help')
  if (command === '--help' || command === '-h') process.stdout.write(HELP)
  else if (command === 'balancer') await runBalancer(args)
  else throw new CommandLineError(`there is no command ${command}; see coatcheck --help`)
}
