// Envelopes: what is sealed comes out as it was, for its tenant alone, and nothing else comes out.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Envelope, envelopeBytesMax, type OpenEnvelopeOptions, openEnvelope, sealEnvelope } from '../../src/core/envelope.ts'
import { MemorySecretStore } from '../../src/core/memory-secret-store.ts'
import { fixedSealKeys, type SealKey, storedSealKeys } from '../../src/core/seal-keys.ts'
import { parseTenantId } from '../../src/core/tenant.ts'
import { ConfigurationError, EnvelopeRefusedError, InvalidInputError } from '../../src/errors.ts'

const bob = parseTenantId('018f0000-0000-7000-8000-000000000001')
const carol = parseTenantId('018f0000-0000-7000-8000-000000000002')
const now = Date.UTC(2026, 10, 24)
const oldKey: SealKey = { id: 'k-1', secret: Buffer.alloc(32, 1) }
const newKey: SealKey = { id: 'k-2', secret: Buffer.alloc(32, 2) }
const keys = fixedSealKeys([oldKey])
const forBob: OpenEnvelopeOptions = { keys, tenant: { id: bob, epoch: 3 }, now }

const message: Envelope = {
  id: '0192',
  source: 'https://app.example.com',
  type: 'document.created',
  subject: 'documents/7',
  time: new Date(now),
  dataSchema: undefined,
  data: { title: 'a' },
  tenantId: bob,
  tenantEpoch: 3,
  actor: { kind: 'user', id: 'u-7' },
  requestId: 'r-1',
  trace: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: undefined },
}

const refusedAs = (reason: string) => (error: unknown) => {
  assert.ok(error instanceof EnvelopeRefusedError, String(error))
  assert.equal(error.details['reason'], reason)
  return true
}

const attribute = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((text) => !/\p{Cc}/u.test(text))
const anyMessage: fc.Arbitrary<Envelope> = fc.record(
  {
    id: attribute,
    source: attribute,
    type: attribute,
    subject: fc.option(attribute, { nil: undefined }),
    time: fc.date({ min: new Date(0), max: new Date(now), noInvalidDate: true }),
    dataSchema: fc.option(attribute, { nil: undefined }),
    data: fc.jsonValue(),
    tenantId: fc.constant(bob),
    tenantEpoch: fc.integer({ min: 0, max: 3 }),
    actor: fc.record({ kind: fc.constantFrom('user', 'service', 'staff', 'system'), id: attribute }, { noNullPrototype: true }),
    requestId: attribute,
    trace: fc.option(
      fc.record({ traceparent: attribute, tracestate: fc.option(attribute, { nil: undefined }) }, { noNullPrototype: true }),
      {
        nil: undefined,
      },
    ),
  },
  { noNullPrototype: true },
)

describe('a sealed envelope', () => {
  test('comes out as it went in', async () => {
    await fc.assert(
      fc.asyncProperty(anyMessage, async (sent) => {
        const { data, ...opened } = await openEnvelope(await sealEnvelope(sent, keys), forBob)
        const { data: sentData, ...rest } = sent
        assert.deepEqual(opened, rest)
        assert.equal(JSON.stringify(data), JSON.stringify(JSON.parse(JSON.stringify(sentData))))
      }),
    )
  })

  test('is an event of CloudEvents 1.0 in JSON', async () => {
    const event = JSON.parse(await sealEnvelope(message, keys)) as Record<string, unknown>
    assert.equal(event['specversion'], '1.0')
    assert.equal(event['datacontenttype'], 'application/json')
    assert.equal(event['time'], '2026-11-24T00:00:00.000Z')
    assert.deepEqual(event['data'], { title: 'a' })
    for (const name of Object.keys(event)) assert.match(name, /^[a-z0-9]{1,20}$/)
  })

  test('is refused when anything in it is changed', async () => {
    await fc.assert(
      fc.asyncProperty(anyMessage, fc.nat(), fc.nat(), attribute, async (sent, at, by, text) => {
        const sealed = await sealEnvelope(sent, keys)
        const place = at % sealed.length
        const cut = `${sealed.slice(0, place)}${sealed.slice(place + 1 + (by % 3))}`
        await assert.rejects(openEnvelope(cut, forBob), EnvelopeRefusedError)
        const members = JSON.parse(sealed) as Record<string, unknown>
        const names = Object.keys(members)
        const name = names[by % names.length] ?? 'id'
        if (members[name] === text) return
        await assert.rejects(openEnvelope(JSON.stringify({ ...members, [name]: text }), forBob), EnvelopeRefusedError)
        const { [name]: _gone, ...fewer } = members
        await assert.rejects(openEnvelope(JSON.stringify(fewer), forBob), EnvelopeRefusedError)
        await assert.rejects(openEnvelope(JSON.stringify({ ...members, extra: text }), forBob), EnvelopeRefusedError)
      }),
    )
  })

  test('has no second reading: characters do not move from one field into the next', async () => {
    const sealed = JSON.parse(await sealEnvelope({ ...message, actor: { kind: 'user', id: 'ab' }, requestId: 'c' }, keys))
    await assert.rejects(openEnvelope(JSON.stringify({ ...sealed, actorid: 'a', requestid: 'bc' }), forBob), refusedAs('forged'))
  })

  test('opens for no other tenant, whoever says so', async () => {
    const sealed = await sealEnvelope(message, keys)
    await assert.rejects(openEnvelope(sealed, { ...forBob, tenant: { id: carol, epoch: 3 } }), refusedAs('wrong-tenant'))
    const relabelled = JSON.stringify({ ...(JSON.parse(sealed) as object), tenantid: carol })
    await assert.rejects(openEnvelope(relabelled, { ...forBob, tenant: { id: carol, epoch: 3 } }), refusedAs('forged'))
  })

  test('of an epoch that its tenant has not reached, of the future or too old, is refused', async () => {
    const sealed = await sealEnvelope(message, keys)
    await assert.rejects(openEnvelope(sealed, { ...forBob, tenant: { id: bob, epoch: 2 } }), refusedAs('ahead'))
    await assert.rejects(openEnvelope(sealed, { ...forBob, now: now - 600_000 }), refusedAs('expired'))
    await assert.rejects(openEnvelope(sealed, { ...forBob, now: now + 2_000, ageMsMax: 1_000 }), refusedAs('expired'))
    assert.equal((await openEnvelope(sealed, { ...forBob, now: now + 1_000, ageMsMax: 1_000 })).id, message.id)
  })

  test('of an unknown version, oversized, or no envelope at all, is refused', async () => {
    const sealed = JSON.parse(await sealEnvelope(message, keys)) as object
    await assert.rejects(openEnvelope(JSON.stringify({ ...sealed, pwversion: '2' }), forBob), refusedAs('unknown-version'))
    await assert.rejects(openEnvelope(JSON.stringify({ ...sealed, specversion: '0.3' }), forBob), refusedAs('unknown-version'))
    await assert.rejects(openEnvelope(' '.repeat(envelopeBytesMax + 1), forBob), refusedAs('oversized'))
    await assert.rejects(openEnvelope('ü'.repeat(envelopeBytesMax / 2 + 1), forBob), refusedAs('oversized'))
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        await assert.rejects(openEnvelope(text, forBob), EnvelopeRefusedError)
      }),
    )
    await assert.rejects(openEnvelope(`{"data":${'['.repeat(500_000)}${']'.repeat(500_000)}}`, forBob), refusedAs('malformed'))
  })

  test('is not made of what no JSON can hold, nor longer than may be', async () => {
    for (const data of [undefined, 1n, 'x'.repeat(envelopeBytesMax)]) {
      await assert.rejects(sealEnvelope({ ...message, data }, keys), InvalidInputError)
    }
    await assert.rejects(sealEnvelope({ ...message, subject: 'a\nb' }, keys), InvalidInputError)
    await assert.rejects(sealEnvelope({ ...message, requestId: '' }, keys), InvalidInputError)
  })
})

describe('keys to seal with', () => {
  test('are changed without losing what was sealed, and one that is taken away opens nothing', async () => {
    const sealed = await sealEnvelope(message, keys)
    const both = fixedSealKeys([newKey, oldKey])
    assert.equal((await openEnvelope(sealed, { ...forBob, keys: both })).id, message.id)
    const later = await sealEnvelope(message, both)
    assert.match(later, /"sealkey":"k-2"/)
    await assert.rejects(openEnvelope(later, forBob), refusedAs('unknown-key'))
    await assert.rejects(openEnvelope(sealed, { ...forBob, keys: fixedSealKeys([newKey]) }), refusedAs('unknown-key'))
    const impostor = fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 9) }])
    await assert.rejects(openEnvelope(await sealEnvelope(message, impostor), forBob), refusedAs('forged'))
  })

  test('are read from a secret store, and the current one is changed there', async () => {
    const secrets = new MemorySecretStore()
    let at = 0
    const stored = storedSealKeys(secrets, { prefix: 'events/seal', clock: { now: () => now, monotonic: () => at } })
    await assert.rejects(sealEnvelope(message, stored), ConfigurationError)
    await secrets.put('events/seal/k-1', Buffer.from(oldKey.secret).toString('base64'))
    await secrets.put('events/seal/current', 'k-1')
    const sealed = await sealEnvelope(message, stored)
    assert.equal((await openEnvelope(sealed, forBob)).id, message.id)
    await secrets.put('events/seal/k-2', Buffer.from(newKey.secret).toString('base64'))
    await secrets.put('events/seal/current', 'k-2')
    at = 60_001
    const later = await sealEnvelope(message, stored)
    assert.match(later, /"sealkey":"k-2"/)
    for (const text of [sealed, later]) assert.equal((await openEnvelope(text, { ...forBob, keys: stored })).id, message.id)
    assert.equal(await stored.find('../current'), undefined)
  })

  test('that are too short, or two of one id, are refused', () => {
    assert.throws(() => fixedSealKeys([{ id: 'a', secret: Buffer.alloc(31) }]), ConfigurationError)
    assert.throws(() => fixedSealKeys([{ id: 'A b', secret: Buffer.alloc(32) }]), ConfigurationError)
    assert.throws(() => fixedSealKeys([oldKey, { ...newKey, id: 'k-1' }]), ConfigurationError)
  })
})
