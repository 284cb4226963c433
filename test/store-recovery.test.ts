/**
 * Stores whose servers are killed or stand still, and are the same afterwards.
 *
 * @module
 */

import { describeRecovery } from './support/store-recovery.ts'

for (const title of ['PostgreSQL', 'Redis', 'memcached']) describeRecovery(title)
