import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ConfigurationError, SecretStoreError } from '../../src/errors.ts'
import { type VaultSecretsOptions, vaultSecrets } from '../../src/secrets/vault.ts'
import {
  everythingOf,
  secretFailureConformance,
  secretReadingConformance,
  secretWritingConformance,
} from '../core/secret-store-conformance.ts'
import { type ProtocolAnswer, type ProtocolFault, type ProtocolRequest, protocolServer } from '../support/protocol-server.ts'
import { vaultProtocol, vaultToken } from '../support/vault-server.ts'

type Fault = (request: ProtocolRequest, number: number) => ProtocolFault | ProtocolAnswer | undefined

async function vault(t: TestContext, { secrets = {}, fault, ...options }: Partial<VaultSecretsOptions> & VaultStart = {}) {
  const { mount = 'kv', folder = 'partywall', namespace } = options
  const kept = new Map(Object.entries(secrets).map(([name, value]) => [`${folder}/${name}`, JSON.stringify({ value })]))
  const protocol = vaultProtocol(kept, { mount, ...(namespace === undefined ? {} : { namespace }) })
  const server = await protocolServer(t, protocol, fault)
  const store = vaultSecrets({ address: server.url, token: () => vaultToken, mount: 'kv', pauseMs: 1, ...options })
  return { store, server, kept }
}

interface VaultStart {
  readonly secrets?: Readonly<Record<string, string>>
  readonly fault?: Fault
}

secretReadingConformance('vault secrets', async (t, secrets) => (await vault(t, { secrets })).store)
secretWritingConformance('vault secrets', async (t) => (await vault(t)).store)

/** Sends back whatever it was sent, as a proxy might in its page for an error. */
function echo(status: number): Fault {
  return ({ headers, body }) => ({ status, body: JSON.stringify({ errors: [JSON.stringify(headers), body, 'S3cret'] }) })
}
const failures: readonly [string, boolean, RegExp, Fault][] = [
  ['a Vault that times out', true, /no answer within 50 ms/, () => 'silence'],
  ['a Vault that closes the connection', true, /no connection \(UND_ERR_SOCKET\)/, () => 'hangup'],
  ['a Vault that speaks something else', true, /no connection \(HTTPParserError\)/, () => 'garbage'],
  ['a Vault that refuses the token', false, /status 403, the token is not good/, echo(403)],
  ['a Vault with nothing at the mount', false, /status 404, there is nothing mounted there/, echo(404)],
  ['a Vault that does not understand', false, /status 400/, echo(400)],
  ['a Vault that is busy', true, /status 429, too many requests/, echo(429)],
  ['a Vault that is sealed', true, /status 503, it is sealed/, echo(503)],
  ['a Vault that broke', true, /status 500\./, echo(500)],
  [
    'a Vault that redirects',
    true,
    /redirects, which is not followed/,
    () => ({ status: 307, headers: { location: 'http://127.0.0.1:9/' } }),
  ],
  ['a Vault that answers no JSON', false, /the answer is no JSON/, () => ({ status: 200, body: 'S3cret, and more' })],
]
for (const [failing, retryable, says, fault] of failures) {
  secretFailureConformance('vault secrets', failing, async (t) => {
    const { store } = await vault(t, { fault, timeoutMs: failing.endsWith('times out') ? 50 : 5_000 })
    return { store, retryable, says, secrets: [vaultToken] }
  })
}

secretFailureConformance('vault secrets', 'a Vault that is not there', async () => ({
  store: vaultSecrets({ address: 'http://127.0.0.1:1', token: () => vaultToken, pauseMs: 1 }),
  retryable: true,
  says: /no connection \(\w+\)/,
  secrets: [vaultToken],
}))

secretFailureConformance('vault secrets', 'a token that cannot be had', async (t) => {
  const token = () => Promise.reject(Object.assign(new RangeError('S3cret'), { code: 'ENOENT' }))
  return { store: (await vault(t, { token })).store, retryable: true, says: /the token cannot be had \(ENOENT\)/ }
})

secretFailureConformance('vault secrets', 'a token that never comes', async (t) => {
  const token = () => new Promise<string>(() => {})
  return {
    store: (await vault(t, { token, timeoutMs: 50 })).store,
    retryable: true,
    says: /the token cannot be had \(nothing within 50 ms\)/,
  }
})

secretFailureConformance('vault secrets', 'a token that no header can carry', async (t) => {
  const { store, server } = await vault(t, { token: () => 'S3cret\r\nX: y' })
  t.after(() => assert.equal(server.requests.length, 0))
  return { store, retryable: false, says: /the token is empty, or no token/ }
})

secretFailureConformance('vault secrets', 'an engine of version 1', async (t) => {
  const fault: Fault = ({ method }) => (method === 'POST' ? { status: 204 } : { status: 200, body: '{"data":{"value":"S3cret"}}' })
  return {
    store: (await vault(t, { fault })).store,
    retryable: false,
    says: /engine of version 2 at "kv"\?$/,
    only: ['get', 'put', 'list'],
  }
})

secretFailureConformance('vault secrets', 'a field that is no secret', async (t) => {
  const body = JSON.stringify({ data: { data: { password: 'S3cret', value: ['S3cret'] }, metadata: {} } })
  return { store: (await vault(t, { fault: () => ({ status: 200, body }) })).store, retryable: false, says: /no text/, only: ['get'] }
})

test('a secret whose last version somebody deleted is not there, though Vault still knows its name', async (t) => {
  const body = JSON.stringify({ data: { data: null, metadata: { deletion_time: '2026-01-01T00:00:00Z', destroyed: false, version: 1 } } })
  const { store } = await vault(t, { fault: () => ({ status: 404, body }) })
  assert.equal(await store.get('a'), undefined)
})

test('a Vault that is busy is asked again, as often as it was allowed, and no more', async (t) => {
  const fault: Fault = (_, number) => (number < 3 ? { status: 429, headers: { 'retry-after': '0' } } : undefined)
  const patient = await vault(t, { secrets: { a: 'x' }, fault })
  assert.equal(await patient.store.get('a'), 'x')
  assert.equal(patient.server.requests.length, 3)

  const hopeless = await vault(t, { fault: () => ({ status: 503 }), triesMax: 2 })
  await assert.rejects(hopeless.store.get('a'), SecretStoreError)
  assert.equal(hopeless.server.requests.length, 2)
})

test('a refusal is not asked again', async (t) => {
  const { store, server } = await vault(t, { token: () => 'another' })
  await assert.rejects(store.get('a'), SecretStoreError)
  assert.equal(server.requests.length, 1)
})

test('the token is asked for every time, and goes nowhere but to Vault', async (t) => {
  const tokens = [`${vaultToken}\n`, vaultToken, 'expired']
  const { store } = await vault(t, { secrets: { a: 'x' }, token: async () => tokens.shift() ?? '' })
  assert.equal(await store.get('a'), 'x')
  assert.equal(await store.get('a'), 'x')
  await assert.rejects(store.get('a'), /status 403/)

  const elsewhere = await vault(t)
  const { store: redirected } = await vault(t, {
    fault: () => ({ status: 307, headers: { location: `${elsewhere.server.url}/v1/kv/data/partywall/a` } }),
  })
  await assert.rejects(redirected.get('a'), SecretStoreError)
  assert.equal(elsewhere.server.requests.length, 0)
})

test('namespace, mount and folder are where the operator says', async (t) => {
  const { store, kept } = await vault(t, { namespace: 'admin/team', mount: 'infra/kv', folder: 'apps/partywall' })
  await store.put('server/eu-1/app', 'x')
  assert.deepEqual([...kept], [['apps/partywall/server/eu-1/app', '{"value":"x"}']])
  assert.deepEqual(await store.list('server/'), ['server/eu-1/app'])
})

test('a list goes only into folders whose names can begin so, and passes over what is no name of ours', async (t) => {
  const { store, server, kept } = await vault(t, { secrets: { 'tenant/t1/login': 'x', 'tenant/t2/login': 'x', 'server/eu-1/app': 'x' } })
  kept.set('partywall/tenant/T3/login', '{}')
  kept.set('elsewhere/a', '{}')
  assert.deepEqual(await store.list('tenant/t1'), ['tenant/t1/login'])
  assert.deepEqual(
    server.requests.map(({ path }) => path),
    ['/v1/kv/metadata/partywall/tenant/', '/v1/kv/metadata/partywall/tenant/t1/'],
  )
  assert.deepEqual(await store.list('tenant/'), ['tenant/t1/login', 'tenant/t2/login'])
})

test('an answer without an end is not read to its end', async (t) => {
  const { store } = await vault(t, {
    fault: () => ({ status: 200, body: JSON.stringify({ data: { data: { value: 'x'.repeat(17e6) } } }) }),
  })
  await assert.rejects(store.get('a'), /no JSON, or too long/)
})

test('a Vault over plain http, or with settings that are none, is refused at once', () => {
  const good = { address: 'https://vault.example.com:8200/base', token: () => vaultToken }
  assert.equal(vaultSecrets(good).kind, 'vault')
  const bad: readonly Partial<VaultSecretsOptions>[] = [
    { address: 'http://vault.example.com:8200' },
    { address: 'vault.example.com' },
    { address: 'https://u:S3cret@vault.example.com' },
    { address: 'https://vault.example.com/?a=S3cret' },
    { mount: '../sys' },
    { mount: '' },
    { folder: 'a/' },
    { namespace: 'a\r\nb' },
    { timeoutMs: 0 },
    { timeoutMs: 2 ** 33 },
    { triesMax: 0 },
    { triesMax: 101 },
    { pauseMs: 60_001 },
    { pauseMs: Number.NaN },
    { token: 'S3cret' as unknown as () => string },
  ]
  for (const options of bad) {
    assert.throws(
      () => vaultSecrets({ ...good, ...options }),
      (error) => error instanceof ConfigurationError && !everythingOf(error).includes('S3cret'),
    )
  }
})
