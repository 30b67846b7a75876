// What reaches a log: on real loggers, line by line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { type Logger, pino } from 'pino'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { logSerializers, tenancyPlugin } from '../../src/middleware/fastify.ts'
import { type TenantLoggingOptions, tenantLogging } from '../../src/telemetry/pino.ts'
import { audience, bob, carol, issuer, secret, watchedDoor } from '../support/door-cast.ts'

function logged(more: Partial<TenantLoggingOptions> = {}) {
  const tenancy = watchedDoor()
  const lines: string[] = []
  const log = pino({ ...tenantLogging({ tenancy, ...more }), base: null }, { write: (line: string) => void lines.push(line) })
  const last = (): Record<string, unknown> => {
    const { level: _, time: __, ...rest } = JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown>
    return rest
  }
  return { tenancy, log, lines, last }
}

const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: undefined }
const ofBob = createTenantContext({ tenant: bob, requestId: 'request-1', trace })
const whose = { tenantId: bob.id, requestId: 'request-1', traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }

test('a line says for whom it was written, whoever writes it and whatever the line says itself', () => {
  const { tenancy, log, last } = logged()
  log.info('outside')
  assert.deepEqual(last(), { msg: 'outside' })
  tenancy.scope.run(ofBob, () => log.info('inside'))
  assert.deepEqual(last(), { ...whose, msg: 'inside' })
  tenancy.scope.run(ofBob, () => log.warn({ tenantId: carol.id, requestId: 'x', pages: 3 }, 'forged'))
  assert.deepEqual(last(), { ...whose, pages: 3, msg: 'forged' })
})

test('a child that is bound to a tenant says it once; in another’s scope the scope counts', () => {
  const { tenancy, log, lines, last } = logged()
  const child = log.child({ tenantId: bob.id, module: 'reports' })
  tenancy.scope.run(ofBob, () => child.info('own'))
  assert.deepEqual(last(), { ...whose, module: 'reports', msg: 'own' })
  assert.equal(lines.at(-1)?.split(bob.id).length, 2)
  tenancy.scope.run(createTenantContext({ tenant: carol, requestId: 'request-2' }), () => child.info('strange'))
  assert.deepEqual(last(), { tenantId: carol.id, requestId: 'request-2', module: 'reports', msg: 'strange' })
})

test('nothing personal is in a line: messages, arguments, fields, errors, bindings', () => {
  const { tenancy, log, lines } = logged({ redact: { fields: ['documents.title'] } })
  const address = 'ada@acme.example'
  const writes: readonly ((logger: Logger) => void)[] = [
    (logger) => logger.info(`mail to ${address}`),
    (logger) => logger.info('mail to %s, %o', address, { address }),
    (logger) => logger.info({ person: { note: address }, title: address, list: [address] }, 'x'),
    (logger) => logger.error(new TypeError(address, { cause: new TypeError(address) })),
    (logger) => logger.error({ err: new TypeError(`duplicate: Key (email)=(${address})`) }),
    (logger) => logger.child({ who: address, email: 'ada' }).info('x'),
    (logger) => logger.child({}, { serializers: { thing: () => address } }).info({ thing: 1 }),
    (logger) => logger.child({}, { msgPrefix: `${address}: ` }).info('x'),
    (logger) => logger.info({ [address]: 1 }),
  ]
  for (const write of writes) tenancy.scope.run(ofBob, () => write(log))
  assert.equal(lines.length, writes.length)
  for (const line of lines) {
    assert.ok(!line.includes(address) && line.includes('[redacted]'), line)
    assert.equal((JSON.parse(line) as typeof whose).tenantId, bob.id)
  }
  assert.match(lines[3] ?? '', /"type":"TypeError".*"stack":"TypeError/)
})

test('without redaction a line is as it was written', () => {
  const { log, last } = logged({ redact: false })
  log.info({ email: 'ada@acme.example' }, 'x')
  assert.deepEqual(last(), { email: 'ada@acme.example', msg: 'x' })
})

test('in Fastify: a request’s lines have their tenant once, and no query', async () => {
  const { tenancy, log, lines } = logged()
  const app = Fastify({ loggerInstance: log.child({}, { serializers: logSerializers }) })
  const key = { algorithm: 'HS256', key: secret, issuer, audience } as const
  await app.register(tenancyPlugin, { tenancy, identity: jwt(key) })
  app.get('/api/me', async (request) => {
    request.log.info('by the request')
    log.info('by the application')
    return {}
  })
  const authorization = `Bearer ${await issueToken({ ...key, subject: 'alice@example.org', tenants: ['bob'], ttlSec: 60 })}`
  await app.inject({ url: '/api/me?email=ada@acme.example', headers: { authorization } })
  await app.close()
  const own = lines.filter((line) => line.includes(bob.id))
  assert.deepEqual(
    own.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ['by the request', 'by the application', 'request completed'],
  )
  for (const line of own) assert.equal(line.split(bob.id).length, 2, line)
  assert.ok(!lines.join('').includes('ada@'), lines.join(''))
})
