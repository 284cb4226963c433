/**
 * Says in both languages of the lab which back-end server is not installed.
 *
 * @module
 */

import { missingServer, type ServerName, serverPackages } from '../engines/installed.ts'
import type { LabText } from './protocol.ts'

/** Names the first server that is not installed, and how to get it; `undefined` when all are. */
export function describeMissing(...names: readonly ServerName[]): LabText | undefined {
  for (const name of names) {
    const en = missingServer(name)
    if (en === undefined) continue
    const ko = `${name} 서버가 설치되어 있지 않습니다. 패키지 "${serverPackages[name]}"를 설치하거나, "npm run servers"로 모든 서버를 설치하세요.`
    return { en, ko }
  }
  return undefined
}
