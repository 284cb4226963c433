/**
 * What the server processes of the benches have in common: a typical session, and the conversation with their parent.
 *
 * @module
 */

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { SessionOptions } from 'express-session'
import type { ServerReport } from './contenders.ts'

/** Attributes of a typical session, about 200 bytes as JSON. */
export interface Shop {
  cart: string[]
  theme: string
  lastPage: string
  firstSeenAt: number
  visits: number
}

/** What a session holds after `/login`. */
export const SHOP: Shop = {
  cart: ['wool coat, navy', 'umbrella', 'felt hat, grey', 'silk scarf'],
  theme: 'dark',
  lastPage: '/catalogue/coats?sort=price',
  firstSeenAt: Date.UTC(2026, 0, 1),
  visits: 0,
}

/** Options of express-session: its cookie is for https only, as ours is. */
export const PEER = {
  secret: 'of the bench alone',
  resave: false,
  saveUninitialized: false,
  cookie: { secure: true },
} as const satisfies SessionOptions

/** Creates an application that does nothing yet, behind a proxy that ends TLS. */
export function createApp(): express.Express {
  const app = express()
  app.set('trust proxy', 'loopback')
  app.disable('x-powered-by')
  app.set('etag', false)
  return app
}

/** Names of an object's own properties. */
export function keysOf<T extends object>(value: T): (keyof T & string)[] {
  return Object.keys(value) as (keyof T & string)[]
}

/** Serves the variant that the first argument names, until the parent ends. */
export async function serveVariant(
  variants: Readonly<Record<string, () => RequestListener | Promise<RequestListener>>>,
): Promise<void> {
  const variant = variants[process.argv[2] ?? '']
  if (!variant) throw new RangeError(`Cannot start a server as there is no variant ${process.argv[2]}`)
  const server = createServer(await variant()).listen(0, '127.0.0.1', () => {
    process.send?.({ port: (server.address() as AddressInfo).port } satisfies ServerReport)
  })
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpu: user + system } satisfies ServerReport)
  })
  process.once('disconnect', () => process.exit())
}
