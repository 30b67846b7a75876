// `partywall dev` with the documents service: what it writes, keeps, removes, and refuses.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { findConfig } from '../../src/cli/config-file.ts'
import { type Application, loadApplication } from '../../src/cli/dev/application.ts'
import { startDevEnvironment } from '../../src/cli/dev/environment.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { databaseUrl } from '../../src/postgres/database.ts'
import { startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { fileSecrets } from '../../src/secrets/file.ts'
import { runOn } from '../support/terminal.ts'

const documents = () => loadApplication(new URL('../../examples/documents/src/application.ts', import.meta.url).pathname)
const config = () => findConfig(new URL('../../examples/documents/', import.meta.url).pathname)
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
  const first = await startDevEnvironment({ application, config: await config(), directory, settings })
  const kept = first.description
  try {
    const pairs = first.wall.filter(({ attacker, victim }) => attacker !== victim)
    const alone = first.wall.filter(({ attacker, victim }) => attacker === victim)
    assert.equal(new Set(pairs.map(({ attacker, victim }) => `${attacker} ${victim}`)).size, 12)
    assert.deepEqual(
      alone.map(({ attacker }) => attacker),
      kept.tenants.map(({ slug }) => slug),
      'each is suspended for a moment',
    )
    assert.ok(pairs.every(({ attempts }) => attempts.length > 30))
    assert.ok(first.wall.every(({ attempts }) => attempts.every(({ outcome }) => outcome === 'refused')))
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
      const users = await fetch(`${file.url}/api/users`, { headers: { 'x-api-key': apiKey } })
      assert.match(await users.text(), /support@documents\.example/, 'the seeds of the configuration are sown wherever a tenant lives')
    }
    const ran = await runOn({ cwd: join(cwd, 'below') }, ['token', 'acme'])
    assert.deepEqual([ran.code, ran.err], [0, ''])
    assert.match(ran.out.join('|'), /^[0-9a-f-]{36}$/)
  } finally {
    await first.close()
  }
  await assert.rejects(stat(join(directory, 'dev.json')), { code: 'ENOENT' })

  const second = await startDevEnvironment({ application, config: await config(), directory, settings })
  t.after(() => second.close())
  const again = second.description.tenants.map(({ id, apiKey }) => ({ id, apiKey }))
  assert.deepEqual(
    again,
    kept.tenants.map(({ id, apiKey }) => ({ id, apiKey })),
  )
  const old = await fetch(`${second.description.url}/api/documents`, { headers: { authorization: `Bearer ${kept.tenants[0]?.token}` } })
  assert.equal(((await old.json()) as { documents: unknown[] }).documents.length, 5)
})

test('dev goes on with what it was doing when it was killed', async (t) => {
  const { cwd, directory } = await directoryOf(t)
  const cli = new URL('../../src/cli/main.ts', import.meta.url).pathname
  const module = new URL('../../examples/documents/src/application.ts', import.meta.url).pathname
  for (const line of ['Onboarded globex', 'Onboarded initech']) {
    const killed = spawn(process.execPath, [cli, 'dev', '--app', module], { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
    for await (const text of createInterface({ input: killed.stdout })) if (text.includes(line)) killed.kill('SIGKILL')
  }
  const environment = await startDevEnvironment({ application: await documents(), config: await config(), directory, settings })
  t.after(() => environment.close())
  assert.deepEqual(
    environment.tenants.map(({ tenant }) => [tenant.slug, tenant.status, tenant.placement.isolation]),
    [
      ['acme', 'active', 'pooled'],
      ['globex', 'active', 'schema'],
      ['initech', 'active', 'database'],
      ['umbrella', 'active', 'server'],
    ],
  )
})

test('dev refuses to serve when a wall has been taken down meanwhile, and says what to do with a directory of another version', async (t) => {
  const { directory } = await directoryOf(t)
  const application = await documents()
  const start = () => startDevEnvironment({ application, directory, settings })
  const first = await start()
  const superuser = (await fileSecrets({ directory: first.description.secrets }).get('server/main/admin'))!
  const [, globex, initech] = first.tenants.map(({ tenant }) => tenant.placement)
  const run = async (database: string, text: string): Promise<void> => {
    const control = new ControlPool({ connectionString: databaseUrl(superuser, { database }), applicationName: 'test' })
    await control.query(text).finally(() => control.close())
  }
  try {
    await run(globex!.database, `alter table ${globex!.schema}.documents disable row level security`)
    await run('postgres', `grant connect on database ${initech!.database} to partywall_app`)
  } finally {
    await first.close()
  }
  await assert.rejects(start(), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'PW_WALL_BREACHED')
    assert.match(error.message, /LEAKED SQL read with no capability at all \(globex at initech\)/)
    assert.match(error.message, /LEAKED SQL log in where another tenant lives, and read there \(acme at globex\)/)
    assert.match(error.message, /LEAKED SQL read with no capability \(globex, suspended\)/)
    for (const attacker of ['acme', 'globex']) {
      assert.ok(error.message.includes(`log in where another tenant lives, and read there (${attacker} at initech)`), error.message)
    }
    return true
  })
  const server = await startEmbeddedServer({ directory, settings })
  try {
    await run(application.name, `update partywall.migrations set sha256 = 'another' where file = 'wall/0001-wall.sql'`)
  } finally {
    await server.stop()
  }
  await assert.rejects(start(), (error: Error) => {
    assert.match(error.message, /was made by another version of partywall: wall\/0001-wall\.sql .* Delete .*\.partywall to start afresh/)
    return true
  })
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
