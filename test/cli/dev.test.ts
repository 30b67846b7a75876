// `partywall dev` with the documents service: what it writes, keeps, removes, and refuses.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Application, loadApplication } from '../../src/cli/dev/application.ts'
import { startDevEnvironment } from '../../src/cli/dev/environment.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import { runOn } from '../support/terminal.ts'

const documents = () => loadApplication(new URL('../../examples/documents/src/application.ts', import.meta.url).pathname)
/** Nothing of it needs to survive a crash of the machine. */
const settings = { fsync: 'off', full_page_writes: 'off' }

async function directoryOf(t: TestContext): Promise<{ readonly cwd: string; readonly directory: string }> {
  const cwd = await mkdtemp(join(tmpdir(), 'partywall-dev-test-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  return { cwd, directory: join(cwd, '.partywall') }
}

test('dev serves after the self-check, says where in a private file, keeps its data, and cleans up', async (t) => {
  const { cwd, directory } = await directoryOf(t)
  const application = await documents()
  const first = await startDevEnvironment({ application, directory, settings })
  const kept = await first.description
  try {
    // Each of the four at every other one, and each at itself while it was suspended.
    assert.equal(first.wall.length, 16)
    for (const { attacker, victim, attempts } of first.wall) {
      assert.ok(attempts.length > (attacker === victim ? 2 : 30), `${attacker} at ${victim}: ${attempts.length}`)
      assert.ok(attempts.every(({ outcome }) => outcome === 'refused'))
    }
    assert.deepEqual(
      first.tenants.map(({ tenant }) => tenant.placement.isolation),
      ['pooled', 'schema', 'database', 'server'],
    )
    const file = JSON.parse(await readFile(join(directory, 'dev.json'), 'utf8'))
    assert.deepEqual(file, kept)
    assert.deepEqual(
      file.tenants.map((tenant: { slug: string }) => tenant.slug),
      ['acme', 'globex', 'initech', 'umbrella'],
    )
    for (const name of ['dev.json', 'secrets.json']) assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name)
    for (const { token, apiKey, id } of file.tenants) {
      for (const headers of [{ authorization: `Bearer ${token}` }, { 'x-api-key': apiKey }]) {
        const answer = await fetch(`${file.url}/api/documents`, { headers })
        assert.deepEqual([answer.status, answer.headers.get('x-tenant-id')], [200, id])
      }
    }
    const ran = await runOn({ cwd: join(cwd, 'below') }, ['token', 'acme'])
    assert.deepEqual([ran.code, ran.err], [0, ''])
    assert.match(ran.out.join('|'), /^[0-9a-f-]{36}$/)
  } finally {
    await first.close()
  }
  await assert.rejects(stat(join(directory, 'dev.json')), { code: 'ENOENT' })

  const second = await startDevEnvironment({ application, directory, settings })
  t.after(() => second.close())
  const again = second.description.tenants.map(({ id, apiKey }) => ({ id, apiKey }))
  assert.deepEqual(
    again,
    kept.tenants.map(({ id, apiKey }) => ({ id, apiKey })),
  )
  const old = await fetch(`${second.description.url}/api/documents`, { headers: { authorization: `Bearer ${kept.tenants[0]?.token}` } })
  assert.equal(((await old.json()) as { documents: unknown[] }).documents.length, 5)
})

test('dev refuses to serve an application that lets one tenant be another', async (t) => {
  const { directory } = await directoryOf(t)
  const good = await documents()
  let started = 0
  const credulous: Application = {
    ...good,
    start: (options) => {
      started += 1
      const [real] = options.identity
      const identity = {
        async identify(request: Parameters<NonNullable<typeof real>['identify']>[0]) {
          const named = request.headers.find(([name]) => name === 'x-tenant-id')?.[1]
          if (named === undefined) return await real?.identify(request)
          return { actor: { kind: 'user', id: 'anybody' }, memberships: [parseTenantRef(named)], method: 'jwt' } as const
        },
      }
      return good.start({ ...options, identity: [identity] })
    },
  }
  await assert.rejects(startDevEnvironment({ application: credulous, directory, settings }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'PW_WALL_BREACHED')
    assert.match(error.message, /LEAKED HTTP name another tenant in X-Tenant-ID/)
    return true
  })
  assert.equal(started, 1, 'it was served to the self-check alone')
  await assert.rejects(stat(join(directory, 'dev.json')), { code: 'ENOENT' })
})
