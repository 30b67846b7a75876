// Webhooks of tenants, with their endpoints where this run's tenants live, sent to a real https server.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { fixedSealKeys } from '../../src/core/seal-keys.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import { InvalidInputError, NoTenantError, WebhookNotFoundError, WebhookRefusedError } from '../../src/errors.ts'
import { eventSubscriber, on } from '../../src/resources/events/event-subscriber.ts'
import { tenantEvent } from '../../src/resources/events/tenant-event.ts'
import type { TenantWebhooks } from '../../src/resources/webhooks/tenant-webhooks.ts'
import { verifyWebhook } from '../../src/resources/webhooks/webhook-signature.ts'
import { createWebhooks, type Webhooks, type WebhooksOptions } from '../../src/webhooks.ts'
import { type Stage, stage } from '../support/cast.ts'
import { anything } from '../support/schemas.ts'
import { type TlsServer, tlsServer } from '../support/tls-server.ts'

const created = tenantEvent('document.created', anything<string>())
const deleted = tenantEvent('document.deleted', anything<string>())
const open: { close(): Promise<void> }[] = []
let scene: Stage
let server: TlsServer
let status = 204

const as = async <T>(webhooks: Webhooks, tenant: Pick<Tenant, 'id'>, fn: (endpoints: TenantWebhooks) => Promise<T>): Promise<T> =>
  await scene.tenancy.run(tenant.id, () => fn(webhooks.endpoints()))
const publish = async (tenant: Tenant, data: string, event = created): Promise<void> =>
  void (await scene.tenancy.run(tenant.id, () => scene.tenancy.events().publish(event, data)))
const url = (path: string): string => `https://hooks.example.com:${server.port}/${path}`

/** Webhooks that are on their way, as long as the test lasts. */
function sending(options: Partial<WebhooksOptions> = {}): Webhooks {
  const resolve = async (): Promise<readonly string[]> => ['127.0.0.1']
  const common = { events: [created, deleted], allow: ['127.0.0.0/8'], ca: server.ca, resolve, retryPauseMs: 1 }
  const webhooks = createWebhooks(scene.tenancy, { ...common, ...options })
  open.push(scene.tenancy.startConsumer({ subscribers: [webhooks.subscriber], pollMs: 20, onError: () => {} }))
  open.push(scene.tenancy.startWorker({ jobs: [webhooks.job], pollMs: 20, onError: () => {} }))
  return webhooks
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'not within twenty seconds')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const isIdle = async (): Promise<boolean> =>
  (await scene.alice('select 1 from outbox_events')).length === 0 && (await scene.alice('select 1 from queued_jobs')).length === 0

describe('webhooks of tenants', () => {
  before(async () => {
    server = await tlsServer((response) => response.writeHead(status).end())
    scene = await stage(undefined, { events: { source: 'test', keys: fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 1) }]) } })
    await scene.migrate('select partywall.create_events(); select partywall.create_jobs()')
  })

  after(async () => {
    await scene.tenancy.close()
    await server.close()
  })

  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.close()))
    for (const table of ['webhook_endpoints', 'outbox_events', 'event_subscribers', 'inbox_events', 'event_deliveries', 'queued_jobs']) {
      await scene.alice(`delete from ${table}`)
    }
    server.received.splice(0)
    status = 204
  })

  test('an event of a tenant is sent to its own endpoints that want it, signed with theirs, once; and to nobody else’s', async () => {
    const webhooks = sending()
    const { secret } = await as(webhooks, scene.bob, (endpoints) => endpoints.add(url('bob-created'), { types: ['document.created'] }))
    await as(webhooks, scene.bob, (endpoints) => endpoints.add(url('bob-all')))
    const carols = await as(webhooks, scene.carol, (endpoints) => endpoints.add(url('carol')))
    await publish(scene.bob, 'b1')
    await publish(scene.bob, 'b2', deleted)
    await publish(scene.carol, 'c1')
    await until(() => server.received.length === 4)
    await until(isIdle)
    const told = server.received.map(({ path, body }) => `${path} ${(JSON.parse(body) as { data: string }).data}`)
    assert.deepEqual(told.toSorted(), ['/bob-all b1', '/bob-all b2', '/bob-created b1', '/carol c1'])
    const first = server.received.find(({ path }) => path === '/bob-created')!
    assert.match(first.body, /^\{"type":"document.created","timestamp":"[^"]+","data":"b1"\}$/)
    const now = Math.floor(Date.now() / 1_000)
    verifyWebhook(first.body, first.headers, [secret], { now })
    assert.throws(() => verifyWebhook(first.body, first.headers, [carols.secret], { now }), WebhookRefusedError)
  })

  test('nobody sees, changes or removes another tenant’s endpoints, and there are none without a tenant', async () => {
    const webhooks = sending()
    assert.throws(() => webhooks.endpoints(), NoTenantError)
    const { id } = await as(webhooks, scene.bob, (endpoints) => endpoints.add(url('bob')))
    await as(webhooks, scene.carol, async (endpoints) => {
      assert.deepEqual(await endpoints.list(), [])
      for (const door of [endpoints.remove, endpoints.rotateSecret, endpoints.enable]) {
        await assert.rejects(door(id), WebhookNotFoundError)
        await assert.rejects(door('no'), WebhookNotFoundError)
      }
    })
    const [endpoint] = await as(webhooks, scene.bob, (endpoints) => endpoints.list())
    assert.equal(endpoint?.id, id)
    assert.ok(!('secret' in endpoint!) && !('secrets' in endpoint!))
    await as(webhooks, scene.bob, (endpoints) => endpoints.remove(id))
    assert.deepEqual(await as(webhooks, scene.bob, (endpoints) => endpoints.list()), [])
  })

  test('while a secret is changed, messages are signed with both', async () => {
    const webhooks = sending()
    const { id, secret } = await as(webhooks, scene.bob, (endpoints) => endpoints.add(url('bob')))
    const { secret: next } = await as(webhooks, scene.bob, (endpoints) => endpoints.rotateSecret(id))
    await publish(scene.bob, 'x')
    await until(() => server.received.length === 1)
    const { secret: last } = await as(webhooks, scene.bob, (endpoints) => endpoints.rotateSecret(id, { overlapMs: 0 }))
    await publish(scene.bob, 'y')
    await until(() => server.received.length === 2)
    const verifies = (index: number, key: string): boolean => {
      const { body, headers } = server.received[index]!
      try {
        verifyWebhook(body, headers, [key], { now: Math.floor(Date.now() / 1_000) })
        return true
      } catch {
        return false
      }
    }
    assert.deepEqual(
      [secret, next, last].map((key) => [verifies(0, key), verifies(1, key)]),
      [
        [true, false],
        [true, false],
        [false, true],
      ],
    )
  })

  test('an address that leads into a private network is refused when it is added, and when it leads there later', async () => {
    const leads: string[] = ['8.8.8.8']
    const webhooks = sending({ allow: [], resolve: async () => leads, attemptsMax: 1 })
    await as(webhooks, scene.bob, async (endpoints) => {
      await assert.rejects(endpoints.add('https://169.254.169.254/latest/meta-data'), WebhookRefusedError)
      await assert.rejects(endpoints.add('http://hooks.example.com/'), WebhookRefusedError)
      await assert.rejects(endpoints.add(url('x'), { types: Array.from({ length: 101 }, () => 'a') }), InvalidInputError)
      await endpoints.add(url('rebound'))
    })
    leads[0] = '127.0.0.1'
    await publish(scene.bob, 'x')
    await until(async () => (await scene.alice(`select 1 from queued_jobs where state = 'dead'`)).length === 1)
    assert.deepEqual(server.received, [])
    assert.deepEqual(await scene.alice('select error from queued_jobs'), [{ error: 'WebhookRefusedError PW_WEBHOOK_REFUSED' }])
  })

  test('one that fails is tried again with the same id, and is well again when it is taken', async () => {
    const webhooks = sending()
    await as(webhooks, scene.bob, (endpoints) => endpoints.add(url('bob')))
    status = 503
    await publish(scene.bob, 'x')
    await until(() => server.received.length >= 2)
    assert.ok((await as(webhooks, scene.bob, (endpoints) => endpoints.list()))[0]?.failingSince !== undefined)
    status = 204
    await until(isIdle)
    assert.equal(new Set(server.received.map(({ headers }) => headers['webhook-id'])).size, 1)
    assert.equal((await as(webhooks, scene.bob, (endpoints) => endpoints.list()))[0]?.failingSince, undefined)
  })

  for (const [what, answered, disableAfterMs] of [
    ['has failed for too long', 500, 50],
    ['says that it is gone', 410, 86_400_000],
  ] as const) {
    test(`an endpoint that ${what} is disabled, which is an event of its tenant`, async () => {
      const told: string[] = []
      const webhooks = sending({ disableAfterMs })
      const watcher = eventSubscriber('watcher', [
        on(webhooks.disabled, ({ data }) => void told.push(`${scene.tenancy.current().tenant.slug} ${data.endpointId}`)),
      ])
      open.push(scene.tenancy.startConsumer({ subscribers: [watcher], pollMs: 20 }))
      const { id } = await as(webhooks, scene.bob, (endpoints) => endpoints.add(url('bob')))
      status = answered
      await publish(scene.bob, 'x')
      await until(() => told.length === 1)
      assert.deepEqual(told, [`bob ${id}`])
      await until(isIdle)
      const attempts = server.received.length
      status = 204
      await publish(scene.bob, 'y')
      await until(isIdle)
      assert.equal(server.received.length, attempts)
      await as(webhooks, scene.bob, (endpoints) => endpoints.enable(id))
      await publish(scene.bob, 'z')
      await until(() => server.received.length === attempts + 1)
    })
  }
})
