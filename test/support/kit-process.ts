// A test process of somebody's: holds a throw-away tenancy, and does what its input says until that says `end`.

import { createInterface } from 'node:readline'
import { testTenancy } from '../../src/testing/test-tenancy.ts'

await using kit = await testTenancy({ migrations: new URL('../../examples/documents/migrations/', import.meta.url) })
await (await kit.tenant('alice')).query(`insert into documents (title) values ('of alice')`)
const [server] = await kit.truth.query<{ pid: number }>(`select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as pid`)
process.stdout.write(`${JSON.stringify({ url: kit.urls.superuser, pid: server?.pid })}\n`)
for await (const word of createInterface({ input: process.stdin })) {
  process.stdout.write(`${word === 'count' ? await kit.truth.count('documents') : word}\n`)
  if (word === 'end') break
}
process.stdin.destroy()
