import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidInputError, SecretStoreError } from '../../src/errors.ts'
import { environmentSecrets } from '../../src/secrets/environment.ts'
import { secretFailureConformance, secretReadingConformance } from '../core/secret-store-conformance.ts'

secretReadingConformance('environment secrets', async (_t, secrets) => {
  const variables = Object.entries(secrets).map(([name, value]) => [variable(name), value])
  return environmentSecrets({ ...Object.fromEntries(variables), PATH: '/bin', PARTYWALL_SECRETS: 'S3cretOther' })
})

secretFailureConformance('environment secrets', 'a write', async () => ({
  store: environmentSecrets({ PARTYWALL_SECRET_A: 'S3cret' }),
  retryable: false,
  says: /^Secrets in the environment cannot be (written|deleted)\. Change PARTYWALL_SECRET_A where the process is started/,
  only: ['put', 'delete'],
}))

secretFailureConformance('environment secrets', 'a value that no secret can be', async () => ({
  store: environmentSecrets({ PARTYWALL_SECRET_A: 'S3cret'.repeat(10_000) }),
  retryable: false,
  says: /PARTYWALL_SECRET_A holds what no secret can be/,
  only: ['get'],
}))

test('a secret of the environment has the documented variable', async () => {
  const secrets = environmentSecrets({ PARTYWALL_SECRET_SERVER__EU_1__APP: 'x' })
  assert.equal(await secrets.get('server/eu-1/app'), 'x')
})

test('no two names read the same variable of the environment', async () => {
  const secrets = environmentSecrets({ PARTYWALL_SECRET_A_B: 'x', PARTYWALL_SECRET_A__B: 'y' })
  assert.equal(await secrets.get('a-b'), 'x')
  assert.equal(await secrets.get('a/b'), 'y')
  for (const name of ['a_b', 'a--b', 'a__b', 'a-/b', 'a-_b']) await assert.rejects(secrets.get(name), InvalidInputError, name)
})

test('an empty variable is no secret, and one that spells no name is not listed', async () => {
  const secrets = environmentSecrets({
    PARTYWALL_SECRET_A: '',
    PARTYWALL_SECRET_B: 'x',
    PARTYWALL_SECRET_: 'x',
    PARTYWALL_SECRET_c: 'x',
    PARTYWALL_SECRET__D: 'x',
    PARTYWALL_SECRET_E___F: 'x',
  })
  assert.equal(await secrets.get('a'), undefined)
  assert.deepEqual(await secrets.list(''), ['b'])
})

test('the environment is read at every call', async () => {
  const environment: Record<string, string> = {}
  const secrets = environmentSecrets(environment)
  assert.equal(await secrets.get('a'), undefined)
  environment['PARTYWALL_SECRET_A'] = 'x'
  assert.equal(await secrets.get('a'), 'x')
})

test('what a write to the environment is refused for is first that it is no secret', async () => {
  await assert.rejects(environmentSecrets({}).put('a', ''), InvalidInputError)
  await assert.rejects(environmentSecrets({}).put('a', 'x'), SecretStoreError)
})

function variable(name: string): string {
  return `PARTYWALL_SECRET_${name.replaceAll('/', '__').replaceAll('-', '_').toUpperCase()}`
}
