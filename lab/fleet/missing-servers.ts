/**
 * Says in both languages of the lab what is not installed.
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

/** Resolves to what to do when SQLite cannot be loaded; `undefined` when it can. */
export async function findMissingSqlite(): Promise<LabText | undefined> {
  try {
    await import('libsql')
    return undefined
  } catch {
    return {
      en: 'The npm package "libsql" is missing or has no build for this platform: run "npm ci".',
      ko: 'npm 패키지 "libsql"이 없거나 이 플랫폼용 빌드가 없습니다. "npm ci"를 실행하세요.',
    }
  }
}
