// In which placement this run's tenants live. The same tests run in each: PARTYWALL_TEST_PLACEMENT=schema npm test -- <file>.

import { type Isolation, isolations } from '../../src/core/placement.ts'

const asked = process.env['PARTYWALL_TEST_PLACEMENT'] ?? 'pooled'
const known = isolations.find((each) => each === asked)
if (known === undefined) throw new RangeError(`PARTYWALL_TEST_PLACEMENT is ${asked}; it may be ${isolations.join(', ')}.`)

export const isolation: Isolation = known

/** Has each tenant a database and a login of its own? Then no two share a connection, nor anything else. */
export const hasOwnDatabase = isolation === 'database' || isolation === 'server'

/** Have all tenants their rows in the same tables? */
export const sharesTables = isolation === 'pooled'
