// The tenants' logs at the command line, over a real fleet: read, verified after every kind of forgery, signed, exported, pruned.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { AuditUnsoundError } from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { fileSecrets } from '../../src/secrets/file.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'
import { urlFor } from '../support/template.ts'

interface Told {
  readonly sound: string
  readonly rows: number
  readonly head: string
  readonly anchoredTo: string
  readonly findings?: readonly string[]
}

describe('audit logs at the command line', () => {
  let project: CliFleet
  let tenancy: Tenancy
  let schemas: string
  before(async () => {
    project = await cliFleet()
    await writeFile(join(project.directory, 'migrations', '0002-audit.sql'), 'select partywall.create_audit_log();\n')
    schemas = `${project.catalog.name}_schemas`
    const { env, catalog } = project
    await project.runOver({ env: { ...env, PARTYWALL_SERVER_URL: catalog.urls.superuser } }, 'server', 'adopt-main')
    await project.json('database', 'create', schemas, '--server', 'main')
    await project.run('migrate', 'up')
    await project.json('tenant', 'onboard', 'acme', '--plan', 'team', '--name', 'Acme')
    await project.json('tenant', 'onboard', 'bolt', '--name', 'Bolt')
    tenancy = await createTenancy({
      catalog: catalog.urls.gatekeeper,
      database: catalog.urls.app,
      secrets: fileSecrets({ directory: join(project.directory, 'secrets') }),
      audit: {},
    })
  })
  after(async () => {
    await tenancy.close()
    await project.strike()
  })

  /** A row of the log for each call. */
  const work = async (tenant: string, text = 'select body from notes'): Promise<void> => {
    const actor = { kind: 'user', id: 'ann' } as const
    await tenancy.run(tenant, async () => await tenancy.query(text), { actor, requestId: 'r-1' }).catch(() => {})
    await tenancy.audit.flush()
  }

  /** As the superuser, whom nothing holds: in the tenant's schema, without triggers and policies. */
  const forge = async (tenant: string, ...statements: readonly string[]): Promise<void> => {
    const { placement } = await tenancy.tenants.get(tenant)
    const database = placement.isolation === 'pooled' ? project.catalog.name : schemas
    const pool = new ControlPool({
      connectionString: urlFor(project.catalog.urls.superuser, database),
      applicationName: 'forger',
      connectionsMax: 1,
    })
    try {
      await pool.transaction(async (connection) => {
        await connection.query(`set local search_path = ${placement.schema}`)
        for (const statement of statements) await connection.query(statement)
      })
    } finally {
      await pool.close()
    }
  }

  const verify = async (tenant: string): Promise<Told & { readonly code: number }> => {
    const { code, out, err } = await project.run('audit', 'verify', tenant, '--json')
    assert.ok(out.length > 0, err)
    return { code, ...(JSON.parse(out.at(-1)!) as Told) }
  }

  for (const tenant of ['acme', 'bolt']) {
    test(`${tenant}: what happened is listed, filtered and followed`, async () => {
      await work(tenant)
      await work(tenant, 'delete from partywall.gates')
      const all = await project.rows<{ operation: string; outcome: string; actor: { id: string } }>('audit', 'list', tenant)
      assert.deepEqual(
        all.map(({ operation, outcome }) => [operation, outcome]),
        [
          ['select', 'done'],
          ['delete', 'refused'],
        ],
      )
      const refused = await project.rows<{ tables: string[] }>(
        'audit',
        'list',
        tenant,
        '--outcome',
        'refused',
        '--actor',
        'ann',
        '--since',
        '1h',
      )
      assert.deepEqual(
        refused.map(({ tables }) => tables),
        [['partywall.gates']],
      )
      assert.deepEqual(await project.rows('audit', 'list', tenant, '--table', 'folders'), [])
      const followed = await project.rows('audit', 'tail', tenant, '--since', '1h', '--once')
      assert.equal(followed.length, 2)
      assert.equal((await project.rows('audit', 'list', tenant, '--limit', '1')).length, 1)
    })

    test(`${tenant}: a sound log verifies, is signed, and is signed again when it has grown`, async () => {
      const first = await project.json<{ head: { position: string } }>('audit', 'anchor', tenant)
      assert.equal(first.head.position, '2')
      await work(tenant)
      assert.deepEqual(await verify(tenant).then(({ code, sound, head, anchoredTo }) => [code, sound, head, anchoredTo]), [
        0,
        'yes',
        '3',
        '2',
      ])
      await project.json('audit', 'anchor', tenant)
      const status = await project.json('audit', 'status', tenant)
      assert.deepEqual([status['head'], status['anchoredTo'], status['prunedTo']], ['3', '3', '0'])
    })

    test(`${tenant}: every forgery is found, and is not signed over`, async () => {
      for (let i = 0; i < 3; i++) await work(tenant)
      const { id } = await tenancy.tenants.get(tenant)
      const mine = `where tenant_id = '${id}'`
      await forge(tenant, 'create table kept as table audit_log')
      const restore = ['delete from audit_log', 'insert into audit_log table kept']
      const rehash = `do $$
        declare previous bytea := sha256('partywall audit'::bytea || uuid_send('${id}')); entry record;
        begin
          for entry in select * from audit_log ${mine} order by position loop
            previous := sha256(previous || int8send(entry.position) || convert_to(entry.payload::text, 'UTF8'));
            update audit_log set hash = previous ${mine} and position = entry.position;
          end loop;
        end $$`
      const edit = `update audit_log set payload = replace(payload::text, '"ann"', '"bob"')::json ${mine} and position = 2`
      const forgeries: readonly (readonly [name: string, finding: RegExp, ...statements: string[]])[] = [
        ['an edit', /^edited/, edit],
        ['a full rewrite, with all hashes anew', /^rewritten/, edit, rehash],
        ['a deletion', /^gap/, `delete from audit_log ${mine} and position = 2`],
        [
          'a deletion that moves up what follows',
          /^(edited|truncated|rewritten)/,
          `delete from audit_log ${mine} and position = 2`,
          `update audit_log set position = position - 1 ${mine} and position > 2`,
        ],
        ['an end that was cut off', /^truncated/, `delete from audit_log ${mine} and position >= 3`],
        ['a beginning that was cut off', /^gap/, `delete from audit_log ${mine} and position <= 2`],
        [
          'entries that changed places',
          /^edited/,
          `update audit_log set payload = (select k.payload from kept as k where k.tenant_id = '${id}' and k.position = 5 - audit_log.position) ${mine} and position in (2, 3)`,
        ],
        ['another time', /^time/, `update audit_log set at = at - interval '1 day' ${mine} and position = 2`],
        ['all of it gone', /^truncated/, `delete from audit_log ${mine}`],
      ]
      for (const [name, finding, ...statements] of forgeries) {
        await forge(tenant, ...statements)
        const told = await verify(tenant)
        assert.deepEqual([told.code, told.sound], [6, 'no'], name)
        assert.ok(
          told.findings?.some((text) => finding.test(text)),
          `${name}: ${told.findings}`,
        )
        await forge(tenant, ...restore)
      }
      await forge(tenant, edit.replace('position = 2', 'position = 5'))
      const { code, err } = await project.run('audit', 'anchor', tenant)
      assert.notEqual(code, 0)
      assert.match(err, /not sound, and is not signed/)
      const found = await project.fleet.catalog.find({ kind: 'id', id })
      await assert.rejects(project.fleet.audit.prune(found!, { before: new Date(), reason: 'a test' }), AuditUnsoundError)
      await forge(tenant, ...restore, 'drop table kept')
      assert.equal((await verify(tenant)).code, 0)
    })

    test(`${tenant}: an export verifies without a database, and shows what was done to it`, async () => {
      const to = join(project.directory, `${tenant}.jsonl`)
      const pem = join(project.directory, 'keys.pem')
      await project.rows('audit', 'keys', '--to', pem)
      const { count } = await project.json<{ count: number }>('audit', 'export', tenant, '--to', to)
      assert.equal(count, 6)
      const check = async (...keys: readonly string[]) =>
        await project.runOver({ env: {} }, 'audit', 'verify', '--file', to, ...keys, '--json')
      const good = await check('--key', pem)
      assert.equal(good.code, 0, good.err)
      const told = JSON.parse(good.out.at(-1)!) as { manifest: string; whole: string; sound: string }
      assert.deepEqual([told.manifest, told.whole, told.sound], ['genuine', 'yes', 'yes'])
      assert.notEqual((await check()).code, 0, 'keys come from somewhere else')
      const text = await readFile(to, 'utf8')
      await writeFile(to, text.replace('r-1', 'r-2'))
      const bad = await check('--key', pem)
      assert.equal(bad.code, 6)
      assert.match(bad.out.join(), /"whole":"no".*edited/)
      await writeFile(to, text)
      const manifest = await readFile(`${to}.manifest.json`, 'utf8')
      await writeFile(`${to}.manifest.json`, manifest.replace(/"count": \d+/, '"count": 7'))
      assert.match((await check('--key', pem)).out.join(), /"manifest":"forged"/)
    })

    test(`${tenant}: exports to be read have entries, and can be filtered`, async () => {
      const to = join(project.directory, `${tenant}.out`)
      const written = async (...argv: readonly string[]): Promise<readonly string[]> => {
        await project.json('audit', 'export', tenant, '--to', to, ...argv)
        return (await readFile(to, 'utf8')).trimEnd().split(/\r?\n/)
      }
      const csv = await written('--format', 'csv', '--outcome', 'refused')
      assert.equal(csv.length, 2)
      assert.match(csv[0]!, /^name,at,operation,outcome,actor_kind,actor_id,/)
      assert.match(csv[1]!, /^2\/0,.*,delete,refused,user,ann,partywall\.gates,/)
      const [event] = (await written('--format', 'ocsf', '--operation', 'delete')).map(
        (line) => JSON.parse(line) as Record<string, unknown>,
      )
      assert.deepEqual(
        ['class_uid', 'category_uid', 'activity_id', 'type_uid', 'severity_id', 'status_id', 'status_code'].map((name) => event![name]),
        [6005, 6, 7, 600507, 3, 2, '42501'],
      )
      for (const required of ['time', 'metadata', 'actor', 'src_endpoint', 'database']) assert.ok(event![required] !== undefined, required)
      assert.equal((await written('--format', 'entries')).length, 6)
      const refused = await project.run('audit', 'export', tenant, '--to', to, '--since', '1d')
      assert.match(refused.err, /could not be verified/)
    })

    test(`${tenant}: what need not be kept any longer goes, signed, and what is left verifies`, async () => {
      const { id } = await tenancy.tenants.get(tenant)
      const found = (await project.fleet.catalog.find({ kind: 'id', id }))!
      const nothing = await project.json('audit', 'prune', tenant, '--older-than', '1d', '--reason', 'retention')
      assert.equal(nothing['removed'], 0)
      // More than the last head covers.
      await work(tenant)
      const { removed, upTo } = await project.fleet.audit.prune(found, { before: new Date(Date.now() + 60_000), reason: 'retention' })
      assert.deepEqual([removed, upTo], [6, 6n])
      assert.deepEqual(await verify(tenant).then(({ code, anchoredTo }) => [code, anchoredTo]), [0, '7'])
      await work(tenant)
      assert.deepEqual(await verify(tenant).then(({ code, rows, head }) => [code, rows, head]), [0, 2, '8'])
      const { head } = await project.json<{ head: { position: string } }>('audit', 'anchor', tenant)
      assert.equal(head.position, '8', 'it is signed on from where it was pruned')
      assert.equal((await project.fleet.audit.anchor(found)) ?? 'nothing new', 'nothing new')
      await forge(tenant, `delete from audit_log where tenant_id = '${id}' and position = 7`)
      assert.equal((await verify(tenant)).code, 6, 'more than was signed is theft')
      for (let i = 0; i < 2; i++) await work(tenant)
      await forge(tenant, `delete from audit_log where tenant_id = '${id}' and position = 9`)
    })
  }

  test('all logs are signed at once, and a new key leaves what the old one signed', async () => {
    await project.json('tenant', 'onboard', 'cora', '--name', 'Cora')
    await work('cora')
    const { code, out } = await project.run('audit', 'anchor', '--json')
    assert.equal(code, 3, 'two of them are not sound any more')
    assert.ok(out.some((line) => line.includes('"slug":"cora"') && line.includes('"position":"1"')))
    await project.rows('audit', 'keys', '--rotate')
    await work('cora')
    await project.json('audit', 'anchor', 'cora')
    const keys = await project.rows<{ isCurrent: boolean }>('audit', 'keys')
    assert.deepEqual(
      keys.map(({ isCurrent }) => isCurrent),
      [true, false],
    )
    assert.deepEqual(await verify('cora').then(({ code: ended, anchoredTo }) => [ended, anchoredTo]), [0, '2'])
  })

  test('a log whose table has gone is one that was cut off, to all who ask', async () => {
    await project.json('tenant', 'onboard', 'dora', '--plan', 'team', '--name', 'Dora')
    const found = (await project.fleet.catalog.find({ kind: 'id', id: (await tenancy.tenants.get('dora')).id }))!
    assert.equal(await project.fleet.audit.anchor(found), undefined, 'nothing has happened')
    await work('dora')
    await project.json('audit', 'anchor', 'dora')
    await forge('dora', 'drop table audit_log cascade')
    const told = await verify('dora')
    assert.deepEqual([told.code, told.findings?.length], [6, 1])
    assert.match(told.findings![0]!, /^truncated/)
    await assert.rejects(project.fleet.audit.anchor(found), AuditUnsoundError)
    const { report } = await project.fleet.evidence.report(found)
    const chain = report.sections.flatMap(({ statements }) => statements).find(({ id }) => id === 'audit-chain')
    assert.equal(chain?.verdict, 'failed')
  })

  test('a report tells who was there, and that the log is whole', async () => {
    const { id } = await tenancy.tenants.get('cora')
    const found = (await project.fleet.catalog.find({ kind: 'id', id }))!
    const { report } = await project.fleet.evidence.report(found)
    const statements = report.sections.flatMap((section) => section.statements)
    const log = statements.find((each) => each.id === 'audit-log')!
    assert.match(log.text, /2 accesses by 1 actor are in your log; 0 attempts were refused/)
    assert.equal(statements.find((each) => each.id === 'audit-chain')!.verdict, 'passed')
  })
})
