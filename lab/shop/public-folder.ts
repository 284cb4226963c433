/**
 * Where the files are that browsers fetch.
 *
 * @module
 */

import { existsSync } from 'node:fs'

/** Folder of the static files. Compiled code runs from `lab/dist/shop`, tests run from here; the files stay here. */
export const publicFolder: URL = [
  new URL('./public/', import.meta.url),
  new URL('../../shop/public/', import.meta.url),
].find((folder) => existsSync(folder)) as URL
