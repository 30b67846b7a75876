// partywall kit: what is attacked, from the command line.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exitCodes } from '../../src/cli/exit-codes.ts'
import { attackList } from '../../src/testing/isolation/attack-list.ts'
import { runOn } from '../support/terminal.ts'

const example = fileURLToPath(new URL('../../examples/documents/', import.meta.url))

test('kit list names every attack, what it tries and what must let it through', async () => {
  const { code, out, err } = await runOn({}, ['kit', 'list', '--json'])
  assert.equal(code, exitCodes.done)
  const attacks = attackList()
  assert.deepEqual(
    out.map((line) => JSON.parse(line)),
    attacks,
  )
  assert.match(err, new RegExp(`${attacks.length} attacks`))
  const some = await runOn({}, ['kit', 'list', '--only', 'cache'])
  assert.ok(some.out.slice(1).every((line) => line.startsWith('cache.')))
})

test('kit run attacks the tables and the routes of an application, and says so', async () => {
  const ran = await runOn({ cwd: example }, [
    'kit',
    'run',
    '--app',
    'src/application.ts',
    '--only',
    'read.every-row,http.item,cache.same-key',
    '--json',
  ])
  assert.equal(ran.code, exitCodes.done, ran.err)
  const report = JSON.parse(ran.out[0] ?? '')
  assert.deepEqual([report.held, report.unreached], [true, []])
  assert.equal(report.found.routes.length, 10)
})

test('kit run ends with 1 when something gets through', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-kit-cli-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await writeFile(
    join(directory, '0001-things.sql'),
    `create table things (tenant_id uuid not null, id uuid not null default partywall.uuidv7(), name text not null, primary key (tenant_id, id));
     select partywall.protect('things');
     create function all_things() returns setof things language sql stable security definer as 'select * from app.things';
     create sequence numbers;
     grant usage on sequence numbers to partywall_app;
    `,
  )
  const ran = await runOn({ cwd: directory }, ['kit', 'run', '--migrations', '.', '--only', 'read.every-row,sequence'])
  assert.equal(ran.code, exitCodes.failed, ran.err)
  assert.match(ran.out.join('\n'), /sequence\.next on app\.numbers/)
})

test('kit prove shows that an attack can succeed', async () => {
  const ran = await runOn({ cwd: example }, [
    'kit',
    'prove',
    '--migrations',
    'migrations',
    '--only',
    'read.every-row,power.become.partywall_owner',
  ])
  assert.equal(ran.code, exitCodes.done, ran.err)
  assert.match(ran.out[0] ?? '', /^3 of 3 attacks got through/)
})
