// A stranger's program. scripts/check-package.mjs type-checks it and runs it against the packed library and a real server.
import { createTenancy, type TenancyError } from 'partywall'
import { objectAnchors } from 'partywall/audit'
import { memoryStore } from 'partywall/backup'
import { blindSpots } from 'partywall/doctor'
import type { expressTenancy } from 'partywall/express'
import type { tenancyPlugin } from 'partywall/fastify'
import type { honoTenancy } from 'partywall/hono'
import { jwt } from 'partywall/identity'
import type { useTenancy } from 'partywall/nest'
import type { tenantSpans } from 'partywall/opentelemetry'
import type { tenantLogging } from 'partywall/pino'
import type { tenancyMetrics } from 'partywall/prometheus'
import { redisAclOf } from 'partywall/redis'
import { s3Store } from 'partywall/s3'
import { cachedSecrets, memorySecrets } from 'partywall/secrets'
import { serviceTokens } from 'partywall/service'
import { attackList, type IsolationReport, testTenancy } from 'partywall/testing'
import type { trpcTenancy } from 'partywall/trpc'
import { webTenancy } from 'partywall/web'

const env = (name: string): string => process.env[name] ?? ''
const tenancy = await createTenancy({
  catalog: env('PARTYWALL_CATALOG_URL'),
  database: env('PARTYWALL_DATABASE_URL'),
  admin: env('PARTYWALL_ADMIN_URL'),
})
await tenancy.tenants.create({ slug: 'acme', name: 'Acme' })
const { rows } = await tenancy.run('acme', () => tenancy.query<{ tenant: string }>('select partywall.tenant_id() as tenant'))
const secret = await cachedSecrets(memorySecrets({ a: 'x' }), { ttlMs: 1_000 }).get('a')
const code = await tenancy.query('select 1').catch((error: TenancyError) => error.code)
await tenancy.close()
await using kit = await testTenancy()
const alice = await kit.tenant('alice')
const own = await alice.query<{ tenant: string }>('select partywall.tenant_id() as tenant')
if (
  rows.length !== 1 ||
  code !== 'PW_NO_TENANT' ||
  typeof jwt !== 'function' ||
  secret !== 'x' ||
  memoryStore().kind !== 'memory' ||
  objectAnchors(memoryStore()).kind !== 'memory' ||
  s3Store({ bucket: 'files' }).kind !== 's3' ||
  typeof redisAclOf !== 'function' ||
  typeof webTenancy !== 'function' ||
  typeof serviceTokens !== 'function' ||
  blindSpots.length === 0 ||
  own.rows[0]?.tenant !== alice.id ||
  attackList().length < 500
)
  process.exit(1)
console.log(`Tenant ${rows[0]?.tenant} has one row; without a tenant: ${code}.`)
export type Doors = [typeof expressTenancy, typeof honoTenancy, typeof tenancyPlugin, typeof trpcTenancy, typeof useTenancy]
export type Telemetry = [typeof tenantSpans, typeof tenantLogging, typeof tenancyMetrics]
export type Report = IsolationReport
