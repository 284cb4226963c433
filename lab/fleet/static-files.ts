/**
 * Serves the files of the built dashboard.
 *
 * @module
 */

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
}

/**
 * Answers with a file of the folder, `index.html` for `/`.
 *
 * @param path Path of the URL, still percent-encoded.
 * @returns Whether there was such a file; if not, nothing was answered.
 */
export async function serveFile(folder: string, path: string, response: ServerResponse): Promise<boolean> {
  const file = locate(folder, path)
  const info = file === undefined ? undefined : await stat(file).catch(() => undefined)
  if (file === undefined || !info?.isFile()) return false

  response.writeHead(200, {
    'Content-Type': contentTypes[extname(file)] ?? 'application/octet-stream',
    'Content-Length': info.size,
    // Names under /assets/ carry a hash of the content.
    'Cache-Control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Content-Security-Policy': "default-src 'self'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
  })
  // A browser that goes away in the middle is no news.
  await pipeline(createReadStream(file), response).catch(() => undefined)
  return true
}

/** `undefined` for a path that leads out of the folder or to a hidden file. */
function locate(folder: string, path: string): string | undefined {
  try {
    const decoded = decodeURIComponent(path)
    if (decoded.includes('\0') || decoded.includes(`${sep}.`)) return undefined
    const file = normalize(join(folder, decoded === '/' ? 'index.html' : decoded))
    return file.startsWith(join(folder, sep)) ? file : undefined
  } catch {
    return undefined
  }
}
