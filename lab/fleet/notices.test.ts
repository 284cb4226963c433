import { describe, expect, it } from 'vitest'
import { describeEngineOrder, describeLink, describeOrder } from './notices.ts'
import type { EngineStatus, LinkFault, LinkState, ServerStatus } from './protocol.ts'

describe('describeOrder()', () => {
  it.each<[before: ServerStatus, after: ServerStatus, en: string, ko: string]>([
    ['ready', 'stopped', 'Server B was killed', '서버 B를 강제 종료했습니다'],
    ['paused', 'stopped', 'Server B was killed', '서버 B를 강제 종료했습니다'],
    ['stopped', 'ready', 'Server B was started', '서버 B를 시작했습니다'],
    ['ready', 'paused', 'Server B was paused', '서버 B를 일시 정지했습니다'],
    ['draining', 'paused', 'Server B was paused', '서버 B를 일시 정지했습니다'],
    ['paused', 'ready', 'Server B goes on', '서버 B가 다시 동작합니다'],
    ['paused', 'draining', 'Server B goes on', '서버 B가 다시 동작합니다'],
    ['ready', 'draining', 'Server B takes no new visitors', '서버 B가 새 방문자를 받지 않습니다'],
    ['draining', 'ready', 'Server B takes new visitors again', '서버 B가 새 방문자를 다시 받습니다'],
  ])('tells how a server went from %s to %s', (before, after, en, ko) => {
    expect(describeOrder('B', before, after)).toEqual(['info', { en, ko }])
  })

  it.each<ServerStatus>(['ready', 'draining', 'paused', 'stopped'])(
    'has nothing to tell of an order that left a server %s',
    (status) => {
      expect(describeOrder('B', status, status)).toBeUndefined()
    },
  )
})

describe('describeEngineOrder()', () => {
  it.each<[before: EngineStatus, after: EngineStatus, en: string, ko: string]>([
    ['ready', 'stopped', 'redis-1 was killed', 'redis-1 서버를 강제 종료했습니다'],
    ['paused', 'stopped', 'redis-1 was killed', 'redis-1 서버를 강제 종료했습니다'],
    ['stopped', 'ready', 'redis-1 was started', 'redis-1 서버를 시작했습니다'],
    ['ready', 'paused', 'redis-1 was paused', 'redis-1 서버를 일시 정지했습니다'],
    ['paused', 'ready', 'redis-1 goes on', 'redis-1 서버가 다시 동작합니다'],
  ])('tells how an engine went from %s to %s', (before, after, en, ko) => {
    expect(describeEngineOrder('redis-1', before, after)).toEqual(['info', { en, ko }])
  })

  it('has nothing to tell of an order that changed nothing', () => {
    expect(describeEngineOrder('redis-1', 'paused', 'paused')).toBeUndefined()
  })
})

describe('describeLink()', () => {
  it.each<[before: LinkState, after: LinkState, fault: LinkFault, en: string, ko: string]>([
    ['whole', 'cut', {}, 'Server B was cut off from the store', '서버 B와 저장소 사이의 연결을 끊었습니다'],
    [
      'whole',
      'cut',
      { channel: 'feed' },
      'Server B was cut off from news of changes',
      '서버 B로 가는 변경 알림을 끊었습니다',
    ],
    [
      'whole',
      'slow',
      { milliseconds: 250 },
      'The store answers server B 250 ms later',
      '저장소가 서버 B에 250ms 늦게 응답합니다',
    ],
    ['cut', 'whole', {}, 'Server B reaches the store again', '서버 B와 저장소 사이의 연결을 복구했습니다'],
    ['slow', 'whole', {}, 'Server B reaches the store again', '서버 B와 저장소 사이의 연결을 복구했습니다'],
  ])('tells how a network went from %s to %s with %j', (before, after, fault, en, ko) => {
    expect(describeLink('B', before, after, fault)).toEqual(['info', { en, ko }])
  })

  it.each<LinkState>(['whole', 'cut'])('has nothing to tell of a network that is still %s', (state) => {
    expect(describeLink('B', state, state)).toBeUndefined()
  })
})
