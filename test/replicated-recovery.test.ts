/**
 * Replicated sessions whose servers are killed or stand still, and have to elect a leader afterwards.
 *
 * @module
 */

import { describeRecovery } from './support/store-recovery.ts'

describeRecovery('replicated sessions')
