/**
 * What the lab tells people, in both of its languages.
 *
 * @module
 */

import type { EngineStatus, LabText, LinkFault, LinkState, ServerStatus } from './protocol.ts'
import type { Incident } from './server-messages.ts'

/** How urgent a notice is, and what it says. */
export type Notice = readonly ['info' | 'warning', LabText]

/** A server does something else because somebody asked for it; `undefined` when it still does the same. */
export function describeOrder(id: string, before: ServerStatus, after: ServerStatus): Notice | undefined {
  if (before === after) return undefined
  if (after === 'stopped')
    return ['info', { en: `Server ${id} was killed`, ko: `서버 ${id}를 강제 종료했습니다` }]
  if (after === 'paused')
    return ['info', { en: `Server ${id} was paused`, ko: `서버 ${id}를 일시 정지했습니다` }]
  if (before === 'stopped')
    return ['info', { en: `Server ${id} was started`, ko: `서버 ${id}를 시작했습니다` }]
  if (before === 'paused') return ['info', { en: `Server ${id} goes on`, ko: `서버 ${id}가 다시 동작합니다` }]
  if (after === 'draining')
    return [
      'info',
      { en: `Server ${id} takes no new visitors`, ko: `서버 ${id}가 새 방문자를 받지 않습니다` },
    ]
  return [
    'info',
    { en: `Server ${id} takes new visitors again`, ko: `서버 ${id}가 새 방문자를 다시 받습니다` },
  ]
}

/** The network of a server is different because somebody asked for it; `undefined` when it is still the same. */
export function describeLink(
  id: string,
  before: LinkState | undefined,
  after: LinkState,
  { channel, milliseconds = 500 }: LinkFault = {},
): Notice | undefined {
  if (after === 'cut' && channel === 'feed')
    return [
      'info',
      { en: `Server ${id} was cut off from news of changes`, ko: `서버 ${id}로 가는 변경 알림을 끊었습니다` },
    ]
  if (after === 'slow')
    return [
      'info',
      {
        en: `The store answers server ${id} ${milliseconds} ms later`,
        ko: `저장소가 서버 ${id}에 ${milliseconds}ms 늦게 응답합니다`,
      },
    ]
  if (before === after) return undefined
  if (after === 'cut')
    return [
      'info',
      { en: `Server ${id} was cut off from the store`, ko: `서버 ${id}와 저장소 사이의 연결을 끊었습니다` },
    ]
  return [
    'info',
    {
      en: `Server ${id} reaches the store again`,
      ko: `서버 ${id}와 저장소 사이의 연결을 복구했습니다`,
    },
  ]
}

/** A server ended that nobody had asked to end. */
export function describeCrash(id: string, how: string): Notice {
  return [
    'warning',
    { en: `Server ${id} ended by itself (${how})`, ko: `서버 ${id}가 스스로 종료되었습니다 (${how})` },
  ]
}

/** A back-end server does something else because somebody asked for it; `undefined` when it still does the same. */
export function describeEngineOrder(
  name: string,
  before: EngineStatus,
  after: EngineStatus,
): Notice | undefined {
  if (before === after) return undefined
  if (after === 'stopped')
    return ['info', { en: `${name} was killed`, ko: `${name} 서버를 강제 종료했습니다` }]
  if (after === 'paused')
    return ['info', { en: `${name} was paused`, ko: `${name} 서버를 일시 정지했습니다` }]
  if (before === 'stopped') return ['info', { en: `${name} was started`, ko: `${name} 서버를 시작했습니다` }]
  return ['info', { en: `${name} goes on`, ko: `${name} 서버가 다시 동작합니다` }]
}

/** A back-end server ended that nobody had asked to end. */
export function describeEngineCrash(name: string, how: string): Notice {
  return [
    'warning',
    { en: `${name} ended by itself (${how})`, ko: `${name} 서버가 스스로 종료되었습니다 (${how})` },
  ]
}

/** The session manager of a server told something that is no everyday matter. */
export function describeIncident(id: string, incident: Incident): Notice {
  const notices: Readonly<Record<Incident, Notice>> = {
    storeDown: [
      'warning',
      { en: `The store of server ${id} does not answer`, ko: `서버 ${id}의 저장소가 응답하지 않습니다` },
    ],
    storeUp: [
      'info',
      { en: `The store of server ${id} answers again`, ko: `서버 ${id}의 저장소가 다시 응답합니다` },
    ],
    corrupt: [
      'warning',
      {
        en: `Server ${id} found a damaged session record and set it aside`,
        ko: `서버 ${id}가 손상된 세션 레코드를 발견해 따로 보관했습니다`,
      },
    ],
  }
  return notices[incident]
}

/** The lab runs on another strategy now. */
export function describeSwitch(title: LabText): Notice {
  return ['info', { en: `The lab runs on "${title.en}" now`, ko: `이제 "${title.ko}" 전략으로 실행됩니다` }]
}
