// The life of a tenant from the command line, in every placement that one server can hold.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'

interface Told {
  readonly id: string
  readonly status: string
  readonly placement: { readonly isolation: string }
  readonly version: string
  readonly apiKey?: string
}

const cast = [
  { slug: 'acme', plan: 'free', isolation: 'pooled' },
  { slug: 'globex', plan: 'team', isolation: 'schema' },
  { slug: 'initech', plan: 'business', isolation: 'database' },
] as const

describe('a tenant on the command line', () => {
  let cli: CliFleet

  before(async () => {
    cli = await cliFleet()
  })

  after(async () => {
    await cli.strike()
  })

  test('a schema without a database for schemas is refused, with the command that makes one, and goes on after it', async () => {
    const refused = await cli.run('tenant', 'onboard', 'globex', '--plan', 'team')
    assert.equal(refused.code, 1)
    assert.match(refused.err, /partywall database create <name> --holds schema --server <server>/)
    const [failed] = await cli.rows<{ id: string }>('operation', 'list', '--state', 'failed')
    const lost = await cli.run('database', 'create', `${cli.catalog.name}_schemas`)
    assert.equal(lost.code, 2)
    assert.match(lost.err, /no server\/main\/admin.*partywall server adopt-main/)
    const adopted = await cli.runOver({ env: { ...cli.env, PARTYWALL_SERVER_URL: cli.catalog.urls.superuser } }, 'server', 'adopt-main')
    assert.equal(adopted.code, 0, adopted.err)
    assert.doesNotMatch(adopted.out.join('\n') + adopted.err, /postgres:\/\//, 'no URL with a password is printed')
    await cli.json('database', 'create', `${cli.catalog.name}_schemas`, '--server', 'main')
    const retried = await cli.json<{ state: string }>('operation', 'retry', failed!.id)
    assert.equal(retried.state, 'done')
  })

  test('is onboarded where its plan says, and create prints it as the only line', async () => {
    const dry = await cli.run('tenant', 'onboard', 'acme', '--dry-run')
    assert.equal(dry.code, 0)
    assert.match(dry.out.join('\n'), /activate +Marks the tenant as active/)
    assert.equal((await cli.run('tenant', 'show', 'acme')).code, 1, 'a dry run does nothing')
    const created = await cli.rows<Told>('tenant', 'create', 'acme', '--name', 'Acme', '--admin-email', 'ada@acme.example')
    assert.equal(created.length, 1)
    assert.match(created[0]!.apiKey ?? '', /^pw_/)
    await cli.json('tenant', 'onboard', 'initech', '--plan', 'business', '--feature', 'limits={"a":1,"b":2}')
    for (const { slug, isolation } of cast) {
      const told = await cli.json<Told>('tenant', 'show', slug)
      assert.deepEqual([told.status, told.placement.isolation, told.version], ['active', isolation, '0001'])
    }
  })

  test('onboard shows its steps, and what refuses it leaves nothing behind', async () => {
    const lines = await cli.rows<{ kind?: string; step?: string; operation?: string }>('tenant', 'onboard', 'hooli')
    assert.ok(lines.some(({ kind, step, operation }) => kind === 'step' && operation === 'onboard' && step === 'activate'))
    assert.equal((await cli.run('tenant', 'onboard', 'hooli')).code, 1)
    assert.equal((await cli.run('tenant', 'onboard', 'far', '--region', 'mars')).code, 1)
    assert.equal((await cli.run('tenant', 'show', 'far')).code, 1)
    assert.equal((await cli.run('tenant', 'onboard', 'child', '--parent', 'nowhere')).code, 1)
    const child = await cli.json<{ parentId: string }>('tenant', 'onboard', 'child', '--parent', 'hooli')
    assert.equal(child.parentId, (await cli.json<Told>('tenant', 'show', 'hooli')).id)
  })

  test('a place without tables is refused where no migrations are known', async () => {
    const ran = await cli.runOver({ cwd: '/' }, 'tenant', 'onboard', 'bare', '--isolation', 'schema')
    assert.deepEqual([ran.code, ran.out], [2, []])
    assert.match(ran.err, /shared tables are at 0001, and this command knows no migrations/)
  })

  test('is suspended and resumed in every placement, with its reason in the trail', async () => {
    for (const { slug, isolation } of cast) {
      const suspended = await cli.json<Told>('tenant', 'suspend', slug, '--reason', 'unpaid')
      assert.equal(suspended.status, 'suspended')
      const { facts } = await cli.json<{ facts: { gate: string; tables: readonly { name: string; rows: number }[] } }>(
        'tenant',
        'show',
        slug,
        '--facts',
      )
      assert.equal(facts.gate, 'suspended', isolation)
      assert.deepEqual(
        facts.tables.map(({ name, rows }) => [name.replace(/^.*\./, ''), rows]),
        [['notes', 1]],
        'the seed',
      )
      assert.equal((await cli.json<Told>('tenant', 'resume', slug, '--reason', 'paid')).status, 'active')
    }
    const trail = await cli.catalog.superuser.query<{ reason: string; kind: string }>(
      `select distinct reason, actor_kind as kind from partywall.audit_trail where action = 'tenant.suspend'`,
    )
    assert.deepEqual(trail, [{ reason: 'unpaid', kind: 'staff' }])
  })

  test('is verified: a sound place ends with 0, a broken wall with 1 and the SQL that mends it', async () => {
    for (const { slug } of cast) assert.equal((await cli.run('tenant', 'verify', slug)).code, 0, slug)
    await cli.catalog.superuser.query('alter table app.notes no force row level security')
    const broken = await cli.run('tenant', 'verify', 'acme')
    await cli.catalog.superuser.query('alter table app.notes force row level security')
    assert.equal(broken.code, 1)
    assert.match(broken.out.join('\n'), /^RULE +OBJECT +PROBLEM +FIX\n.*notes/)
  })

  test('has features of its plan and of its own, and each says where it is from', async () => {
    const shown = () => cli.rows<{ feature: string; value: unknown; from: string }>('tenant', 'features', 'globex')
    assert.deepEqual(await shown(), [
      { feature: 'seats', value: 5, from: 'plan' },
      { feature: 'sso', value: false, from: 'plan' },
    ])
    await cli.json('tenant', 'features', 'globex', '--set', 'seats=20', '--set', 'theme="dark"')
    assert.deepEqual(
      (await shown()).map(({ feature, value, from }) => [feature, value, from]),
      [
        ['seats', 20, 'tenant'],
        ['sso', false, 'plan'],
        ['theme', 'dark', 'tenant'],
      ],
    )
    await cli.run('tenant', 'features', 'globex', '--unset', 'seats,theme')
    assert.deepEqual(
      (await shown()).map(({ value }) => value),
      [5, false],
    )
    for (const text of ['theme=dark', 'seats', '=1']) assert.equal((await cli.run('tenant', 'features', 'globex', '--set', text)).code, 2)
    assert.equal((await cli.run('tenant', 'features', 'globex', '--set', 'a=1', '--set', 'a=2')).code, 2)
    assert.deepEqual(await cli.rows('tenant', 'features', 'initech'), [{ feature: 'limits', value: { a: 1, b: 2 }, from: 'tenant' }])
  })

  test('is cloned under a mask, into another placement; what the mask does not fit is refused, and a dry run does nothing', async () => {
    const file = join(cli.directory, 'masks.json')
    const clone = ['tenant', 'clone', 'globex', '--slug', 'globex-sandbox', '--isolation', 'database', '--mask', file] as const
    assert.equal((await cli.run(...clone)).code, 2, 'there is no such file')
    await writeFile(file, '{ "notes.body": ')
    assert.equal((await cli.run(...clone)).code, 2, 'it is no JSON')
    await writeFile(file, '{ "notes.body": "shred" }')
    assert.match((await cli.run(...clone)).err, /notes\.body.*"hash"/)
    await writeFile(file, '{ "notes.body": "text" }')
    assert.match((await cli.run(...clone, '--unmasked', 'notes.body')).err, /contradict each other/)
    assert.match((await cli.run(...clone, '--unmasked', 'notes.ghost')).err, /no such column/)
    const dry = await cli.run(...clone, '--dry-run')
    assert.match(dry.out.join('\n'), /copy-rows +.*notes\.body \(text\)/)
    assert.equal((await cli.run('tenant', 'show', 'globex-sandbox')).code, 1)
    const lines = await cli.rows<Told & { step?: string; settings?: { clonedFrom?: { tenant: string } } }>(...clone, '--reason', 'a fault')
    assert.ok(lines.some(({ step }) => step === 'copy-rows'))
    const told = lines.at(-1)!
    assert.deepEqual([told.status, told.placement.isolation, told.version], ['active', 'database', '0001'])
    assert.equal(told.settings?.clonedFrom?.tenant, (await cli.json<Told>('tenant', 'show', 'globex')).id)
  })

  test('is renamed, and put on another plan, which moves nobody and says so', async () => {
    assert.equal((await cli.run('tenant', 'rename', 'acme', '--slug', 'globex')).code, 1)
    const renamed = await cli.json<{ slug: string }>('tenant', 'rename', 'acme', '--slug', 'acme-two', '--name', 'Acme Two')
    assert.equal(renamed.slug, 'acme-two')
    const moved = await cli.json<{ wanted: string; isolation: string; isElsewhere: boolean }>('tenant', 'change-plan', 'acme-two', 'team')
    assert.deepEqual([moved.isolation, moved.wanted, moved.isElsewhere], ['pooled', 'schema', true])
    assert.match(
      (await cli.run('tenant', 'change-plan', 'acme-two', 'free', '--dry-run')).out.join('\n'),
      /Puts the tenant on the plan free/,
    )
    assert.equal((await cli.json<{ plan: string }>('tenant', 'show', 'acme-two')).plan, 'team')
    await cli.json('tenant', 'rename', 'acme-two', '--slug', 'acme')
  })

  test('is off-boarded by its name alone, and given back within its grace', async () => {
    const offboard = ['tenant', 'offboard', 'acme', '--reason', 'left'] as const
    assert.equal((await cli.run(...offboard)).code, 2, 'nobody can be asked')
    assert.equal((await cli.run(...offboard, '--now', '--grace', '1d', '--yes')).code, 2)
    assert.equal((await cli.run(...offboard, '--grace', 'soon', '--yes')).code, 2)
    const typed = async (keys: string) => await cli.runOver({ isTerminal: true, interactive: sitting(keys) }, ...offboard, '--grace', '7d')
    const wrong = await typed('acm\r')
    assert.equal(wrong.code, 130)
    assert.equal((await cli.json<Told>('tenant', 'show', 'acme')).status, 'active')
    const closed = await typed('acme\r')
    assert.equal(closed.code, 0, closed.err)
    assert.equal((await cli.json<Told>('tenant', 'show', 'acme')).status, 'offboarding')
    const [waiting] = await cli.rows<{ id: string; kind: string }>('operation', 'list', '--state', 'waiting', '--tenant', 'acme')
    assert.equal(waiting?.kind, 'offboard')
    assert.equal((await cli.run('operation', 'resume', waiting.id)).code, 1, 'its time has not come')
    const shown = await cli.run('operation', 'show', waiting.id)
    assert.match(shown.out.join('\n'), /state +waiting[\s\S]*STEP +STATE[\s\S]*grace +waiting/)
    assert.equal((await cli.json<{ state: string }>('operation', 'cancel', waiting.id, '--reason', 'they stay')).state, 'cancelled')
    assert.equal((await cli.json<Told>('tenant', 'show', 'acme')).status, 'active')
  })

  test('is purged with a certificate that verifies, until one character is changed', async () => {
    for (const { slug } of cast) {
      const { id } = await cli.json<Told>('tenant', 'show', slug)
      const exported = join(cli.directory, `export-${slug}`)
      const done = await cli.json<{ id: string; state: string }>(
        ...['tenant', 'offboard', slug, '--reason', 'erasure', '--now', '--yes', '--export-to', exported],
      )
      assert.equal(done.state, 'done')
      const [text] = (await cli.run('certificate', 'print', done.id)).out
      const [key] = (await cli.run('certificate', 'key')).out
      const [file, keyFile] = [join(cli.directory, `${slug}.jws`), join(cli.directory, 'key.jwks')]
      await writeFile(file, `${text}\n`)
      await writeFile(keyFile, key!)
      // No database is needed for it.
      const verified = await cli.runOver({ env: {}, cwd: '/' }, 'verify-certificate', file, '--key', keyFile, '--json')
      assert.deepEqual([verified.code, JSON.parse(verified.out[0]!).tenant.id], [0, id])
      assert.match((await cli.run('verify-certificate', file, '--from-store')).out.join('\n'), /valid +yes/)
      const at = text!.lastIndexOf('.') + 10
      await writeFile(file, `${text!.slice(0, at)}${text![at] === 'A' ? 'B' : 'A'}${text!.slice(at + 1)}`)
      const forged = await cli.run('verify-certificate', file, '--key', keyFile)
      assert.deepEqual([forged.code, forged.out], [1, []])
      assert.match(forged.err, /PW_CERTIFICATE_INVALID/)
      assert.match(await readFile(join(exported, 'manifest.json'), 'utf8'), /notes/)
      assert.equal((await cli.run('tenant', 'show', slug)).code, 1)
      assert.equal((await cli.run('tenant', 'onboard', slug)).code, 1, 'its name does not come back')
    }
    assert.equal((await cli.run('verify-certificate', 'nowhere', '--from-store')).code, 2)
    assert.equal((await cli.run('verify-certificate', 'nowhere')).code, 2)
  })

  test('what cannot be certified is not begun', async () => {
    await cli.json('tenant', 'create', 'lonely')
    const ran = await cli.runOver({ cwd: '/' }, 'tenant', 'offboard', 'lonely', '--reason', 'erasure', '--now', '--yes')
    assert.equal(ran.code, 1)
    assert.match(ran.err, /PW_SECRET_STORE/)
    assert.equal((await cli.json<Told>('tenant', 'show', 'lonely')).status, 'active')
  })
})

/** Somebody who presses these keys when the question is on the screen. */
function sitting(keys: string) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  output.on('data', (drawn: Buffer) => drawn.includes('acme') && setImmediate(() => input.write(keys)))
  return { input, output }
}
