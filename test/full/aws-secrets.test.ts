// Against moto, the stand-in for AWS that others test with, so that not only our own reading of the API is asked.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { awsSecrets } from '../../src/secrets/aws.ts'
import { secretFailureConformance, secretReadingConformance, secretWritingConformance } from '../core/secret-store-conformance.ts'
import { awsCredentials } from '../support/aws-server.ts'
import { pythonPackage } from '../support/python-package.ts'
import { realServer } from '../support/real-server.ts'

async function moto(t: TestContext): Promise<string> {
  const environment = pythonPackage('moto-5.2.5', 'moto[server]==5.2.5', (path) => existsSync(join(path, 'bin', 'moto_server')))
  const python = join(environment, 'bin', 'python')
  return realServer(
    t,
    python,
    (port) => ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
    async (url) => (await fetch(`${url}/moto-api/data.json`)).status === 200,
  )
}

function storeAt(endpoint: string) {
  return awsSecrets({ region: 'eu-central-1', endpoint, credentials: async () => awsCredentials, triesMax: 20, pauseMs: 1 })
}

secretReadingConformance('aws secrets on moto', async (t, secrets) => {
  const endpoint = await moto(t)
  const store = storeAt(endpoint)
  for (const [name, value] of Object.entries(secrets))
    await call(endpoint, 'CreateSecret', { Name: `partywall/${name}`, SecretString: value })
  return store
})
secretWritingConformance('aws secrets on moto', async (t) => storeAt(await moto(t)))

secretFailureConformance('aws secrets on moto', 'a secret that an operator has scheduled for deletion', async (t) => {
  const endpoint = await moto(t)
  await call(endpoint, 'CreateSecret', { Name: 'partywall/a', SecretString: 'S3cret' })
  await call(endpoint, 'DeleteSecret', { SecretId: 'partywall/a', RecoveryWindowInDays: 7 })
  return { store: storeAt(endpoint), retryable: true, says: /InvalidRequestException, status 400/, only: ['get'] }
})

test('aws secrets on moto: no version of a deleted secret is left', async (t) => {
  const endpoint = await moto(t)
  const store = storeAt(endpoint)
  await store.put('a', 'one')
  await store.put('a', 'two')
  await store.delete('a')
  const previous = await call(endpoint, 'GetSecretValue', { SecretId: 'partywall/a', VersionStage: 'AWSPREVIOUS' })
  assert.match(previous.body, /ResourceNotFoundException/)
  const all = await call(endpoint, 'ListSecrets', { IncludePlannedDeletion: true })
  assert.deepEqual(JSON.parse(all.body).SecretList, [])
})

/** As an operator would, past our adapter and the client. */
async function call(
  endpoint: string,
  target: string,
  fields: Readonly<Record<string, unknown>>,
): Promise<{ status: number; body: string }> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `secretsmanager.${target}`,
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/eu-central-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0',
    },
    body: JSON.stringify(fields),
  })
  return { status: response.status, body: await response.text() }
}
