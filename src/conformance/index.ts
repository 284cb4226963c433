/**
 * The contracts of stores and of framework adapters as data, for any test runner.
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
  missingCapability,
  type StoreCapability,
  type StoreClause,
  storeContract,
  type StoreTrial,
} from './store-contract.ts'
