import { describe, expect, it } from 'vitest'
import { type Command, type KnownNames, describeUsage, parseCommandLine, UsageError } from './command-line.ts'

const known: KnownNames = {
  strategies: ['memory', 'sticky', 'sqlite'],
  experiments: [
    { name: 'F1', strategies: ['memory', 'sticky', 'sqlite'] },
    { name: 'F2', strategies: ['sticky', 'sqlite'] },
  ],
}

function parse(line: string): Command {
  return parseCommandLine(line.split(' ').filter(Boolean), known)
}

describe('parseCommandLine()', () => {
  it('starts three servers on the first strategy, the dashboard on port 4000 and the shop beside it', () => {
    const command = parse('')

    expect(command).toEqual({
      name: 'serve',
      headless: false,
      json: false,
      fleet: {
        strategy: 'memory',
        servers: 3,
        routing: undefined,
        port: 4000,
        shopPort: 4001,
        clockOffsets: {},
      },
    })
  })

  it('takes every option of the headless command', () => {
    const command = parse('--headless --strategy sqlite --servers 26 --routing random --port 0 --json')

    expect(command).toMatchObject({
      name: 'serve',
      headless: true,
      json: true,
      fleet: { strategy: 'sqlite', servers: 26, routing: 'random', port: 0, shopPort: 0 },
    })
  })

  it('takes experiments by name and gives them free ports', () => {
    const command = parse('experiment F2 F1 --strategy sticky')

    expect(command).toMatchObject({
      name: 'experiment',
      experiments: ['F2', 'F1'],
      fleet: { strategy: 'sticky', port: 0, shopPort: 0 },
      options: { short: false },
    })
  })

  it('takes how long an experiment is to last', () => {
    const command = parse('experiment F1 --rounds 50 --seconds 3 --short')

    expect(command).toMatchObject({ options: { rounds: 50, seconds: 3, short: true } })
  })

  it('takes one clock offset per server', () => {
    const command = parse('--clock-offset A=300000 --clock-offset C=-300000')

    expect(command).toMatchObject({ fleet: { clockOffsets: { A: 300_000, C: -300_000 } } })
  })

  it.each([
    ['--strategy cassandra', 'Unknown strategy "cassandra". Known: memory, sticky, sqlite'],
    ['--routing backwards', 'Unknown routing "backwards". Known: round-robin, '],
    ['--servers 0', '--servers must be a whole number from 1 to 26: received "0"'],
    ['--servers 27', '--servers must be a whole number from 1 to 26: received "27"'],
    ['--servers 2.5', '--servers must be a whole number from 1 to 26: received "2.5"'],
    ['--port 65536', '--port must be a whole number from 0 to 65535: received "65536"'],
    ['--port 65535', '--shop-port must be a whole number from 0 to 65535: received "65536"'],
    ['--port 4000 --shop-port 4000', '--shop-port and --port must differ'],
    ['--port http', '--port must be a whole number from 0 to 65535: received "http"'],
    ['--clock-offset D=5', '--clock-offset must be like B=-300000, for a server from A to C: received "D=5"'],
    ['--port', "Option '--port <value>' argument missing"],
    ['--colour', "Unknown option '--colour'"],
    ['dance', 'Unknown command "dance". Known: experiment'],
    ['experiment', 'Which experiment? Known: F1, F2'],
    ['experiment F9', 'Unknown experiment "F9". Known: F1, F2'],
    ['experiment F2', 'Experiment F2 makes no sense on memory. It runs on: sticky, sqlite'],
    ['experiment F1 --rounds 0', '--rounds must be a whole number from 1 to 1000000: received "0"'],
  ])('refuses %s', (line, message) => {
    const attempt = () => parse(line)

    expect(attempt).toThrow(UsageError)
    expect(attempt).toThrow(message)
  })

  it('answers --help before it looks at the rest', () => {
    const command = parse('--servers 99 --help')

    expect(command).toEqual({ name: 'help' })
  })
})

describe('describeUsage()', () => {
  it('lists every strategy, routing and experiment', () => {
    const usage = describeUsage(known)

    expect(usage).toContain('memory, sticky, sqlite')
    expect(usage).toContain('round-robin, least-connections, p2c, ip-hash, random, sticky')
    expect(usage).toContain('F1, F2')
  })
})
