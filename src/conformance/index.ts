/**
 * The contracts of stores, near caches, framework adapters and tokens as data, for any test runner.
 *
 * @module
 */

export {
  adapterContract,
  type AdapterClause,
  type AdapterTrial,
  type AdapterTrialData,
  type AdapterTrialHandler,
  type AdapterTrialServer,
} from './adapter-contract.ts'
export {
  missingFault,
  type NearCacheClause,
  nearCacheContract,
  type NearCacheFault,
  type NearCacheTrial,
} from './near-cache-contract.ts'
export {
  missingCapability,
  type StoreCapability,
  type StoreClause,
  storeContract,
  type StoreTrial,
} from './store-contract.ts'
export {
  type TokenClause,
  tokenClauses,
  tokenContract,
  type TokenTrial,
  type TokenVerdict,
} from './token-contract.ts'
