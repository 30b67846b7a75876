import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ConfigurationError, SecretStoreError } from '../../src/errors.ts'
import { type AwsSecretsOptions, awsSecrets } from '../../src/secrets/aws.ts'
import { secretFailureConformance, secretReadingConformance, secretWritingConformance } from '../core/secret-store-conformance.ts'
import { awsCredentials, awsProtocol, refusal } from '../support/aws-server.ts'
import { type ProtocolAnswer, type ProtocolFault, type ProtocolRequest, protocolServer } from '../support/protocol-server.ts'

type Fault = (request: ProtocolRequest, number: number) => ProtocolFault | ProtocolAnswer | undefined

interface AwsStart {
  readonly secrets?: Readonly<Record<string, string>>
  readonly fault?: Fault
}

async function aws(t: TestContext, { secrets = {}, fault, ...options }: AwsSecretsOptions & AwsStart = {}) {
  const { folder = 'partywall' } = options
  const kept = new Map(Object.entries(secrets).map(([name, value]) => [`${folder}/${name}`, value]))
  const server = await protocolServer(t, awsProtocol(kept), fault)
  const credentials = async () => awsCredentials
  const store = awsSecrets({ region: 'eu-central-1', endpoint: server.url, credentials, pauseMs: 1, triesMax: 1, ...options })
  return { store, server, kept }
}

/** The calls that were made, without what they carried. */
function callsOf(requests: readonly ProtocolRequest[]): readonly string[] {
  return requests.map(({ headers }) => String(headers['x-amz-target']).replace('secretsmanager.', ''))
}

secretReadingConformance('aws secrets', async (t, secrets) => (await aws(t, { secrets })).store)
secretWritingConformance('aws secrets', async (t) => (await aws(t, { triesMax: 20 })).store)

const secrets = Object.values(awsCredentials).filter((value) => value !== awsCredentials.accessKeyId)
const failures: readonly [string, boolean, RegExp, Fault][] = [
  ['a service that times out', true, /no answer within 300 ms/, () => 'silence'],
  ['a service that closes the connection', true, /: (ECONNRESET|TimeoutError)\.$/, () => 'hangup'],
  ['a service that speaks something else', true, /: HPE_\w+\.$/, () => 'garbage'],
  ['a service that refuses', false, /AccessDeniedException, status 400\.$/, () => refusal('AccessDeniedException')],
  [
    'a service that does not know the key',
    false,
    /UnrecognizedClientException, status 400\.$/,
    () => refusal('UnrecognizedClientException'),
  ],
  ['a service that is busy', true, /ThrottlingException, status 400\.$/, () => refusal('ThrottlingException')],
  ['a service that broke', true, /InternalServiceError, status 500\.$/, () => refusal('InternalServiceError', 500)],
  ['a secret that is being deleted', true, /InvalidRequestException, status 400\.$/, () => refusal('InvalidRequestException')],
  ['a service that answers no JSON', false, /status 200/, () => ({ status: 200, body: '{"SecretString":"S3cret"' })],
]
for (const [failing, retryable, says, fault] of failures) {
  secretFailureConformance('aws secrets', failing, async (t) => {
    const { store } = await aws(t, { fault, timeoutMs: failing.endsWith('times out') ? 300 : 10_000 })
    return { store, retryable, says, secrets }
  })
}

secretFailureConformance('aws secrets', 'a service that is not there', async () => ({
  store: awsSecrets({ region: 'eu-central-1', endpoint: 'http://127.0.0.1:1', credentials: async () => awsCredentials, triesMax: 1 }),
  retryable: true,
  says: /: ECONNREFUSED\.$/,
  secrets,
}))

secretFailureConformance('aws secrets', 'credentials that cannot be had', async (t) => {
  const credentials = () => Promise.reject(Object.assign(new RangeError('S3cret'), { name: 'CredentialsProviderError' }))
  return { store: (await aws(t, { credentials })).store, retryable: false, says: /CredentialsProviderError\.$/ }
})

secretFailureConformance('aws secrets', 'credentials that never come', async (t) => {
  const credentials = () => new Promise<never>(() => {})
  return { store: (await aws(t, { credentials, timeoutMs: 50 })).store, retryable: true, says: /no answer within 50 ms/ }
})

secretFailureConformance('aws secrets', 'a value that no secret can be', async (t) => {
  const fault: Fault = () => ({ status: 200, body: JSON.stringify({ SecretBinary: Buffer.from('S3cret').toString('base64') }) })
  return { store: (await aws(t, { fault })).store, retryable: false, says: /holds what no secret can be/, only: ['get'] }
})

test('a service that is busy is asked again, as often as it was allowed', async (t) => {
  const fault: Fault = (_, number) => (number < 3 ? refusal('ThrottlingException') : undefined)
  const { store, server } = await aws(t, { secrets: { a: 'x' }, fault, triesMax: 3 })
  assert.equal(await store.get('a'), 'x')
  assert.equal(server.requests.length, 3)
})

test('a secret is made when it is not there, and given a new version when it is', async (t) => {
  const { store, server, kept } = await aws(t, { kmsKeyId: 'alias/partywall', folder: 'apps/partywall' })
  await store.put('a', 'one')
  await store.put('a', 'two')
  assert.deepEqual(callsOf(server.requests), ['PutSecretValue', 'CreateSecret', 'PutSecretValue'])
  assert.equal(JSON.parse(server.requests[1]?.body ?? '').KmsKeyId, 'alias/partywall')
  assert.deepEqual([...kept], [['apps/partywall/a', 'two']])
})

test('a put of what was deleted a moment ago waits until it is gone', async (t) => {
  const fault: Fault = ({ headers }, number) =>
    String(headers['x-amz-target']).endsWith('CreateSecret') && number < 4 ? refusal('InvalidRequestException') : undefined
  const { store, server } = await aws(t, { fault, triesMax: 3 })
  await store.put('a', 'x')
  assert.deepEqual(callsOf(server.requests), ['PutSecretValue', 'CreateSecret', 'PutSecretValue', 'CreateSecret'])
  assert.equal(await store.get('a'), 'x')
})

test('a put of what is still being deleted waits as well when the new version is what is refused', async (t) => {
  const fault: Fault = (_, number) => (number === 1 ? refusal('InvalidRequestException') : undefined)
  const { store, server } = await aws(t, { fault, triesMax: 2 })
  await store.put('a', 'x')
  assert.deepEqual(callsOf(server.requests), ['PutSecretValue', 'PutSecretValue', 'CreateSecret'])
})

test('a put of what an operator has scheduled for deletion is given up after so many tries', async (t) => {
  const { store, server } = await aws(t, { fault: () => refusal('InvalidRequestException'), triesMax: 3 })
  await assert.rejects(store.put('a', 'x'), /InvalidRequestException/)
  assert.equal(server.requests.length, 3)
})

test('a list whose pages go in a circle ends', async (t) => {
  const fault: Fault = () => ({ status: 200, body: JSON.stringify({ SecretList: [], NextToken: 'again' }) })
  const { store, server } = await aws(t, { fault })
  await assert.rejects(
    store.list(''),
    (error) => error instanceof SecretStoreError && !error.retryable && /without an end/.test(error.message),
  )
  assert.equal(server.requests.length, 2)
})

test('a region that is none is an error of the settings, every time', async () => {
  for (const region of ['', 'eu central 1']) {
    const store = awsSecrets({ region, endpoint: 'http://127.0.0.1:1', credentials: async () => awsCredentials })
    for (let times = 0; times < 2; times += 1) {
      await assert.rejects(store.get('a'), (error) => error instanceof ConfigurationError && /give region/.test(error.message))
    }
  }
})

test('a list takes every page, and leaves out what the filter found beside it', async (t) => {
  const names = Array.from({ length: 120 }, (_, index) => `tenant/t${String(index).padStart(3, '0')}/login`)
  const { store, server, kept } = await aws(t, { secrets: Object.fromEntries(names.map((name) => [name, 'x'])) })
  kept.set('other/partywall/tenant/t999/login', 'x')
  kept.set('PARTYWALL/tenant/t998/login', 'x')
  kept.set('partywall/tenant/T997/login', 'x')
  assert.deepEqual(await store.list('tenant/'), names)
  assert.equal(server.requests.length, 3)
})

test('settings that are none are refused at once', () => {
  for (const options of [
    { endpoint: 'http://secretsmanager.example.com' },
    { endpoint: 'nowhere' },
    { folder: '' },
    { folder: 'a/' },
    { timeoutMs: 0 },
    { timeoutMs: 600_001 },
    { triesMax: 1.5 },
    { pauseMs: -1 },
  ]) {
    assert.throws(() => awsSecrets(options), ConfigurationError)
  }
})

test('nothing of the client is loaded before the first call', async () => {
  assert.equal(awsSecrets().kind, 'aws')
  await assert.rejects(awsSecrets({ region: 'eu-central-1', timeoutMs: 1, endpoint: 'http://127.0.0.1:1' }).get('a'), SecretStoreError)
})
