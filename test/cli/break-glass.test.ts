import assert from 'node:assert/strict'
import { chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Grant } from '../../src/core/break-glass.ts'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'

describe('break-glass at the command line', () => {
  let project: CliFleet
  before(async () => {
    project = await cliFleet()
    await project.fleet.migrateMain()
    const { env, catalog } = project
    await project.runOver({ env: { ...env, PARTYWALL_SERVER_URL: catalog.urls.superuser } }, 'server', 'adopt-main')
    await project.json('database', 'create', `${catalog.name}_schemas`, '--server', 'main')
    await project.json('tenant', 'onboard', 'acme', '--plan', 'team', '--name', 'Acme')
  })
  after(() => project.strike())

  test('from a key to a query: asked for by one, approved by another, used, seen, and given back', async () => {
    const file = (name: string) => join(project.directory, `${name}.key`)
    for (const name of ['ada', 'grace']) {
      const { publicKey } = await project.json<{ publicKey: string }>('staff', 'key', file(name))
      assert.equal((await stat(file(name))).mode & 0o777, 0o600)
      assert.notEqual((await project.run('staff', 'key', file(name))).code, 0, 'a key in use is never replaced')
      await project.json('staff', 'add', name, '--name', name, '--public-key', publicKey)
    }
    const as = (name: string) => ['--as', name, '--key', file(name)]
    const why = ['--reason', 'The invoice of May is missing', '--ticket', 'SUP-4711']
    const asked = await project.json<Grant>('break-glass', 'request', 'acme', ...as('ada'), ...why, '--minutes', '5')
    assert.equal(asked.state, 'requested')
    const own = await project.run('break-glass', 'approve', asked.id, ...as('ada'))
    assert.notEqual(own.code, 0)
    assert.match(own.err, /Nobody decides on what they asked for themselves/)
    const early = await project.run('break-glass', 'query', asked.id, 'select body from notes', '--key', file('ada'))
    assert.notEqual(early.code, 0)
    const approved = await project.json<Grant>('break-glass', 'approve', asked.id, ...as('grace'))
    assert.equal(approved.state, 'approved')

    const seen = await project.run('break-glass', 'query', asked.id, 'select body from notes', '--key', file('ada'))
    assert.equal(seen.code, 0, seen.err)
    assert.deepEqual(seen.out, ['body', 'Welcome'])
    assert.match(seen.err, /ada in acme .*reading alone/)
    assert.match(seen.err, /The invoice of May is missing \[SUP-4711\]/)
    assert.match(seen.err, /until: \d{4}-/)
    const written = await project.run('break-glass', 'query', asked.id, `update notes set body = 'changed'`, '--key', file('ada'))
    assert.notEqual(written.code, 0)

    await chmod(file('ada'), 0o644)
    const open = await project.run('break-glass', 'query', asked.id, 'select 1', '--key', file('ada'))
    assert.match(open.err, /Others can read/)
    await chmod(file('ada'), 0o600)

    assert.equal((await project.json<Grant>('break-glass', 'end', asked.id, ...as('ada'))).state, 'ended')
    const actions = await project.catalog.superuser.query<{ action: string }>(
      `select a.action from partywall.audit_trail as a where a.details ->> 'grant' = $1 order by a.position`,
      [asked.id],
    )
    const trail = actions.map(({ action }) => action.replace('break_glass.', ''))
    assert.deepEqual(trail, ['request', 'open', 'approve', 'open', 'statement', 'open', 'statement', 'end'])

    const second = await project.json<Grant>('break-glass', 'request', 'acme', ...as('ada'), ...why)
    assert.equal((await project.json<Grant>('break-glass', 'deny', second.id, ...as('grace'))).state, 'denied')
    const third = await project.json<Grant>('break-glass', 'request', 'acme', ...as('ada'), ...why)
    assert.equal((await project.rows('break-glass', 'list', '--live')).length, 1)
    assert.equal((await project.json<Grant>('break-glass', 'revoke', third.id)).state, 'revoked')
    assert.deepEqual(
      (await project.rows<Grant>('break-glass', 'list', '--tenant', 'acme')).map(({ state }) => state),
      ['revoked', 'denied', 'ended'],
    )
    await project.json('staff', 'remove', 'grace')
    assert.match((await project.run('staff', 'list')).out.join('\n'), /grace .*\d{4}-\d\d-\d\d .*\d{4}-\d\d-\d\d$/m)
  })
})
