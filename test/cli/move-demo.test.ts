// `partywall move demo`: what somebody sees who runs it beside `partywall dev`.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { findConfig } from '../../src/cli/config-file.ts'
import { loadApplication } from '../../src/cli/dev/application.ts'
import { type DevEnvironment, startDevEnvironment } from '../../src/cli/dev/environment.ts'
import { demonstrateMove, demoReason, takeBackDemoMoves } from '../../src/cli/dev/move-demo.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import { type Fleet, openFleet } from '../../src/fleet.ts'
import { embedded } from '../../src/provisioners/embedded.ts'
import { fileSecrets } from '../../src/secrets/file.ts'
import { runOn } from '../support/terminal.ts'

const file = new URL('../../examples/documents/src/application.ts', import.meta.url).pathname
const settings = { fsync: 'off', full_page_writes: 'off' }

test('moves of a demonstration that was killed are taken back, from wherever they stand; those of others are left alone', async () => {
  for (const [next, asked] of [
    [
      ['verify', 'reverse', 'complete'],
      ['resume', 'reverse', 'cancel'],
    ],
    [
      ['verify', 'switch', 'cancel'],
      ['resume', 'cancel'],
    ],
  ] as const) {
    const said: string[] = []
    const say = (what: string) => async (): Promise<never> => said.push(what) as never
    const open = [
      { id: 'own', reason: demoReason },
      { id: 'other', reason: 'contract 4711' },
    ]
    const moves = {
      list: async () => open,
      resumeAll: say('resume'),
      status: async (id: string) => ({ move: { id, state: 'following' }, next }),
      reverse: say('reverse'),
      cancel: say('cancel'),
    } as unknown as Fleet['moves']
    const reported: string[] = []
    await takeBackDemoMoves({ moves }, (line) => reported.push(line))
    assert.deepEqual([said, reported.length], [asked, 1])
  }
})

describe('the demonstration of a move', () => {
  let cwd: string
  let environment: DevEnvironment

  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'partywall-move-demo-'))
    const application = await loadApplication(file)
    const config = await findConfig(new URL('../../examples/documents/', import.meta.url).pathname)
    environment = await startDevEnvironment({ application, file, config, directory: join(cwd, '.partywall'), settings })
  })

  after(async () => {
    await environment.close()
    await rm(cwd, { recursive: true, force: true })
  })

  /** In a hurry: what takes a second between two writes takes a tenth. */
  async function demonstrate(slug: string, to: 'server' | 'database') {
    const { description } = environment
    const { database, secrets, servers, migrations } = description
    const provisioner = embedded({ directory: servers!, settings })
    const fleet = await openFleet({
      catalog: database.gatekeeper,
      admin: database.admin,
      secrets: fileSecrets({ directory: secrets }),
      migrations: new URL(`file://${migrations}/`),
      provisioner: () => provisioner,
    })
    const lines: string[] = []
    try {
      const find = async () => (await fleet.catalog.find(parseTenantRef(slug)))!
      const tenant = await find()
      const result = await demonstrateMove({
        fleet,
        tenant,
        to,
        dev: description,
        probe: (await loadApplication(file)).probe,
        actor: { kind: 'staff', id: 'ada' },
        everyMs: 100,
        stayMs: 500,
        signal: new AbortController().signal,
        say: (line) => lines.push(line),
      })
      const isHome = (await find()).placement.isolation === tenant.placement.isolation
      return { result, lines, isHome, open: await fleet.moves.list({ open: true }), servers: await fleet.servers.list() }
    } finally {
      await fleet.close()
      await provisioner.stop()
    }
  }

  for (const [slug, home, to] of [
    ['acme', 'pooled', 'server'],
    ['globex', 'schema', 'database'],
  ] as const) {
    test(`${slug} goes from ${home} to ${to} and home, and the writer notices nothing`, async () => {
      const { result, lines, isHome, open, servers } = await demonstrate(slug, to)
      const { written, refused, found, pausesMs } = result
      assert.deepEqual([refused, found, isHome, open], [0, written, true, []], lines.join('\n'))
      assert.ok(written > 10)
      assert.equal(pausesMs.length, 4, 'to compare and to switch, there and back')
      const places = lines.flatMap((line) => /wrote #\d+ in .*: (\w+) on/.exec(line)?.[1] ?? [])
      const ways = places.filter((place, at) => place !== places[at - 1])
      assert.deepEqual(ways, [home, to, home])
      assert.deepEqual(servers.map(({ name }) => name).length, 2, 'main and that of umbrella: the one that was made is gone')
    })
  }

  test('who is no demo tenant, is there already, or whose server stays, is refused', async () => {
    for (const [words, says] of [
      [['wonka'], /wonka is no demo tenant: acme, globex, initech, umbrella are/],
      [['initech', '--to', 'database'], /lives there already/],
      [['umbrella', '--to', 'pooled'], /run by partywall dev, and stays/],
    ] as const) {
      const ran = await runOn({ cwd }, ['move', 'demo', ...words])
      assert.deepEqual([ran.code, ran.out], [2, []], words.join(' '))
      assert.match(ran.err, says)
    }
    assert.match((await runOn({ cwd: '/' }, ['move', 'demo'])).err, /No partywall dev runs/)
  })
})
