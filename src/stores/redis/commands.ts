/**
 * Runs the scripts of the store over a link, with the deadline and the durability that they want.
 *
 * @module
 */

import { StoreUnavailableError } from '../store.ts'
import type { RedisLink } from './clients.ts'
import { SESSION_STORE, toUnavailable } from './errors.ts'
import { fenceScript, Outcome, type RedisScript } from './scripts.ts'

/** How many replicas must have a write before it is acknowledged. */
export interface RedisWait {
  /** Replicas that must have it. */
  readonly replicas: number
  /** Longest wait for them, in milliseconds. Keep it below the deadline that the engine gives its store. @default 200 */
  readonly timeout?: number
}

/** Options of {@link createCommands}. */
export interface CommandOptions {
  readonly writeTimeout: number
  /** What uses Redis, for messages. @default 'Redis session store' */
  readonly user?: string
}

/** What scripts are called with: keys of one slot, and arguments. */
export interface ScriptCall {
  readonly keys: readonly string[]
  readonly args?: readonly (string | number)[]
  readonly wait?: Required<RedisWait> | undefined
  /** When somebody began to wait for it, by `performance.now()`. @default now */
  readonly since?: number
}

/** The commands of the store. Each rejects with {@link StoreUnavailableError}. */
export interface RedisCommands {
  /** Sends one command to the primary of a key. */
  send(key: string, ...args: readonly string[]): Promise<unknown>
  /** Runs a script as is. */
  run(script: RedisScript, call: ScriptCall): Promise<unknown>
  /** Runs a script that writes, with the deadline in front of its arguments. Its answer is an array. */
  write(script: RedisScript, call: ScriptCall): Promise<readonly unknown[]>
  /** Waits until replicas have what a server with this replication id has been told up to now. */
  fence(key: string, replicationId: string, wait: Required<RedisWait>): Promise<void>
  /** Learns the server's clock, in milliseconds since the Unix epoch. */
  learn(now: number): void
}

/** Creates the commands over a link. */
export function createCommands(link: RedisLink, options: CommandOptions): RedisCommands {
  const { writeTimeout, user = SESSION_STORE } = options
  /** The server's clock less the monotonic one of this process; `undefined` until it is known. */
  let offset: number | undefined

  async function attempt(script: RedisScript, { keys, args = [], wait }: ScriptCall): Promise<unknown> {
    const [first = ''] = keys
    const send = async (command: string, what: string) => {
      const sent = [command, what, `${keys.length}`, ...keys]
      for (const arg of args) sent.push(String(arg))
      if (!wait) return link.send(first, sent)
      // WAIT counts replicas that have what was written by its own connection, so it goes where the script went.
      const [answer, acknowledged] = await link.sendPair(first, sent, waitCommand(wait))
      assertAcknowledged(acknowledged, wait, user)
      return answer
    }
    try {
      return await send('EVALSHA', script.sha)
    } catch (error) {
      // A server that was restarted, flushed or promoted does not know the script; it then knows it.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return send('EVAL', script.source)
    }
  }

  const run: RedisCommands['run'] = async (script, call) => {
    try {
      return await attempt(script, call)
    } catch (error) {
      throw toUnavailable(error, user)
    }
  }

  return {
    async send(key, ...args) {
      try {
        return await link.send(key, [...args])
      } catch (error) {
        throw toUnavailable(error, user)
      }
    },
    run,
    async write(script, call) {
      const { args = [], since: startedAt = performance.now() } = call
      for (;;) {
        const deadline = offset === undefined ? 0 : Math.ceil(startedAt + offset + writeTimeout)
        const answer = (await run(script, { ...call, args: [deadline, ...args] })) as readonly unknown[]
        if (answer[0] !== Outcome.late && Number(answer[0]) !== Outcome.late) return answer
        offset = Number(answer[1]) - performance.now()
        // Either its clock was not what was thought, or the write was under way for too long.
        if (performance.now() - startedAt < writeTimeout) continue
        throw new StoreUnavailableError(
          `Cannot write to the ${user}: the write reached the server after writeTimeout, ` +
            `${writeTimeout} ms, and was not applied`,
        )
      }
    },
    async fence(key, replicationId, wait) {
      const id = await run(fenceScript, { keys: [key], wait })
      if (id === replicationId) return
      throw new StoreUnavailableError(
        `Cannot write to the ${user}: another server became the primary meanwhile, and may not have the write`,
      )
    },
    learn(now) {
      offset = now - performance.now()
    },
  }
}

function waitCommand({ replicas, timeout }: Required<RedisWait>): string[] {
  return ['WAIT', `${replicas}`, `${timeout}`]
}

function assertAcknowledged(
  acknowledged: unknown,
  { replicas, timeout }: Required<RedisWait>,
  user: string,
): void {
  if (Number(acknowledged) >= replicas) return
  throw new StoreUnavailableError(
    `Cannot write to the ${user}: ${Number(acknowledged)} of ${replicas} replicas have acknowledged it in ` +
      `${timeout} ms; it may or may not last. Look at the replicas`,
  )
}
