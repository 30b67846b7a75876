// The isolation kit: how long a fresh database takes, with the tenancy opened on it and without, and a fresh tenant. Run it by itself:
//   node bench/kit.ts [databases] [tenants]

import { openSession } from '../src/testing/host/session.ts'
import { testTenancy } from '../src/testing/test-tenancy.ts'
import { quantile } from './quartiles.ts'

const migrations = new URL('../examples/documents/migrations/', import.meta.url)
const [databases = 20, tenants = 200] = process.argv.slice(2).map(Number)

async function timed(count: number, fn: (at: number) => Promise<void>): Promise<readonly number[]> {
  const times: number[] = []
  for (let at = 0; at < count; at++) {
    const start = performance.now()
    await fn(at)
    times.push(performance.now() - start)
  }
  return times
}

const figures = (times: readonly number[]): string =>
  `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`

const session = await openSession({})
try {
  // The first one builds the template.
  await (await session.database(migrations)).drop()
  const dropped: (() => Promise<void>)[] = []
  const made = await timed(databases, async () => void dropped.push((await session.database(migrations)).drop))
  for (const drop of dropped) await drop()
  const opened = await timed(databases, async () => await (await testTenancy({ migrations })).close())
  await using kit = await testTenancy({ migrations })
  await kit.tenant('first')
  const joined = await timed(tenants, async (at) => void (await kit.tenant(`tenant-${at}`)))
  console.log(`a fresh database: ${figures(made)}`)
  console.log(`a tenancy on one, opened and closed: ${figures(opened)}`)
  console.log(`a fresh tenant: ${figures(joined)}`)
} finally {
  await session.release()
}
