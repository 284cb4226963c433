import { describe, expect, it } from 'vitest'
import { type BalancerOptions, type UpstreamSpec, createBalancer } from './balancer.ts'

const A: UpstreamSpec = { id: 'A', url: 'http://127.0.0.1:3001' }

describe('the options of createBalancer()', () => {
  it.each<[string, BalancerOptions, RegExp]>([
    [
      'an unknown routing',
      { routing: 'weighted' as never },
      /routing must be one of round-robin, .*: received weighted$/,
    ],
    ['sticky without secrets', { routing: 'sticky' }, /sticky routing needs secrets/],
    ['a short secret', { secrets: ['short'] }, /secrets must have >= 32 bytes: received 5$/],
    ['an interval of 0', { checkInterval: 0 }, /checkInterval must be from 1 to 2147483647 ms: received 0$/],
    [
      'a time that overflows a timer',
      { responseTimeout: 2 ** 31 },
      /responseTimeout must be .*: received 2147483648$/,
    ],
    ['a time that is no number', { checkTimeout: Number.NaN }, /checkTimeout must be .*: received NaN$/],
    ['a fall of 0', { fall: 0 }, /fall must be a whole number >= 1: received 0$/],
    ['half a rise', { rise: 1.5 }, /rise must be a whole number >= 1: received 1.5$/],
    [
      'a cookie name with a space',
      { affinityCookie: 'a b' },
      /affinityCookie must be a cookie name: received a b$/,
    ],
    [
      'a secure prefix on an insecure cookie',
      { affinityCookie: '__Host-a', allowInsecureCookie: true },
      /must not start with/,
    ],
    [
      'a check path without a slash',
      { checkPath: 'health' },
      /checkPath must be a path that starts with \/: received health$/,
    ],
    ['an unknown protocol', { protocol: 'ftp' as never }, /protocol must be http or https: received ftp$/],
  ])('may not have %s', (_what, options, message) => {
    expect(() => createBalancer([A], options)).toThrow(message)
  })

  it.each<[string, readonly UpstreamSpec[], RegExp]>([
    ['the same id', [A, A], /there is one with its id: received A$/],
    ['an id with a dot', [{ ...A, id: 'a.b' }], /the id of an upstream must be .*: received a\.b$/],
    [
      'no url',
      [{ id: 'A', url: '127.0.0.1:3001' }],
      /the url of upstream A must be .*: received 127\.0\.0\.1:3001$/,
    ],
    ['a path', [{ id: 'A', url: 'http://127.0.0.1/app' }], /the url of upstream A must be/],
    ['another protocol', [{ id: 'A', url: 'ftp://127.0.0.1' }], /the url of upstream A must be/],
    ['room for nobody', [{ ...A, capacity: 0 }], /the capacity of upstream A must be .*: received 0$/],
  ])('may not have servers with %s', (_what, upstreams, message) => {
    expect(() => createBalancer(upstreams)).toThrow(message)
  })

  it('never show a secret', () => {
    expect(() => createBalancer([A], { secrets: ['hunter2'] })).toThrow(/^((?!hunter2).)*$/)
  })

  it('treat undefined as absent', () => {
    const balancer = createBalancer([A], { routing: undefined, checkInterval: undefined })

    expect(balancer.routing).toBe('round-robin')
  })
})
