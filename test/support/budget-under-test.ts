// A connection budget whose server, time and timers are in the test's hands.

import type { TestContext } from 'node:test'
import type { TenancyError } from '../../src/errors.ts'
import type { Connection } from '../../src/postgres/connection.ts'
import { ConnectionBudget, type ConnectionBudgetOptions } from '../../src/postgres/connection-budget.ts'
import { ConnectionPool, type ConnectionPoolOptions } from '../../src/postgres/pool.ts'
import { FakeServer } from './fake-connections.ts'
import { ManualClock } from './manual-clock.ts'

/** What a closed port says. */
export const down = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

/** A budget over a server that the test plays, with time in its hands. */
export function stage(connectionsMax: number, options: Partial<ConnectionBudgetOptions> = {}) {
  const clock = new ManualClock()
  const server = new FakeServer()
  const budget = new ConnectionBudget({ connectionsMax, clock, ...options })
  const pool = (database: string, more: Partial<ConnectionPoolOptions> = {}) =>
    new ConnectionPool({ connectionString: `postgres://app@good.test/${database}`, budget, clock, open: server.connect, ...more })
  return { clock, server, budget, pool }
}

/** What has become of a call. */
export function observe(promise: Promise<Connection>) {
  const seen: { connection?: Connection; error?: TenancyError } = {}
  promise.then(
    (connection) => {
      seen.connection = connection
    },
    (error: TenancyError) => {
      seen.error = error
    },
  )
  return seen
}

/** Time and its timers move together. */
export function withTimers(t: TestContext, clock: ManualClock) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  return (ms: number) => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(Math.min(left, 100))
      t.mock.timers.tick(Math.min(left, 100))
    }
  }
}
