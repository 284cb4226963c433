import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const src = fileURLToPath(new URL('./src/', import.meta.url))

/** They mostly wait, for outages and servers, or promise no figures that a neighbour could spoil: two run at once. */
const sharing = [
  'test/examples.test.ts',
  'test/fleet.test.ts',
  'test/fleet-*.test.ts',
  'test/hostile-input.test.ts',
  'test/replicated.test.ts',
  'test/round-trips.test.ts',
  'test/sqlite-processes.test.ts',
  'test/store-recovery.test.ts',
  'test/stores-under-sessions.test.ts',
  'test/tokens.test.ts',
]

/** What a document says of the sources: no server, and wrong as soon as a test moves. */
const documents = ['test/security.test.ts']

/** Tests import the package by name, as users do, and get its sources. */
const alias = [
  { find: /^coatcheck$/, replacement: `${src}index.ts` },
  { find: /^coatcheck\/balancer$/, replacement: `${src}balancer/balancer.ts` },
  { find: /^coatcheck\/conformance$/, replacement: `${src}conformance/index.ts` },
  { find: /^coatcheck\/tokens$/, replacement: `${src}tokens/index.ts` },
  { find: /^coatcheck\/(.+)$/, replacement: `${src}$1.ts` },
]

export default defineConfig({
  test: {
    reporters: ['default', './test/support/summary-reporter.ts'],
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'lab/**/*.test.ts', ...documents],
          // Many wait for a real server most of the time, so that two cores have room for three files.
          maxWorkers: Math.max(3, availableParallelism() - 1),
          sequence: { groupOrder: 0 },
          testTimeout: 30_000,
          // Real servers are started in hooks.
          hookTimeout: 60_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'sharing',
          include: sharing,
          globalSetup: ['test/support/build.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: [...sharing, ...documents],
          globalSetup: ['test/support/build.ts'],
          // Figures are promised here, of servers that have the machine to themselves.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
