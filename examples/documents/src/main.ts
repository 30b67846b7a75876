// In production: the URLs that `partywall init` printed, and tokens of your own identity provider.
//   PARTYWALL_CATALOG_URL, PARTYWALL_DATABASE_URL, OIDC_ISSUER, OIDC_AUDIENCE; PORT (3000), HOST (0.0.0.0), DOMAIN

import process from 'node:process'
import { ConfigurationError, createTenancy } from 'partywall'
import { apiKey, oidc } from 'partywall/identity'
import { createService } from './documents-service.ts'

const tenancy = await createTenancy({
  catalog: required('PARTYWALL_CATALOG_URL'),
  database: required('PARTYWALL_DATABASE_URL'),
  audit: {},
})
const service = await createService({
  tenancy,
  identity: [oidc({ issuer: required('OIDC_ISSUER'), audience: required('OIDC_AUDIENCE') }), apiKey({ keys: tenancy.apiKeys })],
  domain: process.env['DOMAIN'],
  logLevel: 'info',
})
service.addHook('onClose', () => tenancy.close())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void service.close())
await service.listen({ host: process.env['HOST'] ?? '0.0.0.0', port: Number(process.env['PORT'] ?? 3000) })

function required(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new ConfigurationError(`${name} is not set.`)
}
