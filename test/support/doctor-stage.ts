// One check of the doctor: finds nothing, then what was broken, then nothing again when it is mended. All in one transaction that is
// taken back, so that roles and settings, which all databases of the server share, are broken for nobody else.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { DoctorLevel } from '../../src/core/doctor-finding.ts'
import type { ControlConnection } from '../../src/postgres/control-pool.ts'
import type { DoctorCheck, Said } from '../../src/postgres/doctor/check.ts'
import { roles } from '../../src/postgres/roles.ts'
import { testDatabase } from './database.ts'

export interface DoctorProof {
  /** Made first, as the owner: tables that the check looks at and finds nothing wrong with. Default: a protected table `notes`. */
  readonly before?: string | undefined
  /** What breaks it, as the superuser. */
  readonly breaks: string
  /** Of the one finding, or of those of them that are meant. `{database}` in a string is the test's database. */
  readonly object: string | RegExp
  /** Default: the check's own. */
  readonly level?: DoctorLevel | undefined
  /** What mends it, where the finding gives no SQL. */
  readonly mend?: string | undefined
  readonly now?: Date | undefined
  readonly serverVersion?: number | undefined
}

/** Application tables as the examples have them. */
export const soundTables = `
  create table app.notes (
    tenant_id uuid not null,
    id uuid not null default partywall.uuidv7(),
    title text not null,
    constraint notes_pkey primary key (tenant_id, id)
  );
  select partywall.protect('app.notes')`

/** Broken, found, mended, clean. Fails when anything else was found before, or is left. */
export async function provesCheck(t: TestContext, check: DoctorCheck, proof: DoctorProof): Promise<void> {
  await inBrokenDatabase(t, async (superuser) => {
    await runAs(superuser, roles.owner, proof.before ?? soundTables)
    const look = () => findAsDoctor(superuser, check, proof)
    const [here] = await superuser.query<{ name: string }>('select current_database() as name')
    const object = typeof proof.object === 'string' ? proof.object.replace('{database}', here!.name) : proof.object
    assert.deepEqual(matching(await look(), object), [], `${check.stem} finds nothing yet`)
    await superuser.query(proof.breaks)
    const found = matching(await look(), object)
    assert.ok(found.length > 0, `${check.stem} finds what is broken`)
    for (const { problem, fix, level = check.level } of found) {
      assert.match(problem, /^[A-Z%"a-z].*\.$/s, 'a problem is a sentence')
      assert.equal(level, proof.level ?? check.level)
      assert.ok(fix !== null || proof.mend !== undefined, `${check.stem} gives SQL that mends it, or the test says what does`)
      if (fix !== null) await superuser.query(fix)
    }
    if (proof.mend !== undefined) await superuser.query(proof.mend)
    assert.deepEqual(matching(await look(), object), [], `${check.stem} finds nothing any more`)
  })
}

/** What the check says of the database as it is. */
export async function findAsDoctor(
  superuser: ControlConnection,
  check: DoctorCheck,
  { now = new Date(), serverVersion }: Pick<DoctorProof, 'now' | 'serverVersion'> = {},
): Promise<readonly Said[]> {
  const [server] = await superuser.query<{ version: number }>(`select current_setting('server_version_num')::int as version`)
  await superuser.query(`set local role ${roles.doctor}`)
  const found = await check.find({ control: superuser, appRole: roles.app, serverVersion: serverVersion ?? server!.version, now })
  // Not after an error: in a transaction that has failed this would fail too, and hide why.
  await superuser.query('reset role')
  return found
}

/** A transaction of a superuser in a database of the test's own, taken back at the end. */
export async function inBrokenDatabase(t: TestContext, fn: (superuser: ControlConnection) => Promise<void>): Promise<void> {
  const { superuser } = await testDatabase(t)
  const isOver = new Error('taken back')
  await assert.rejects(
    superuser.transaction(async (connection) => {
      await fn(connection)
      throw isOver
    }),
    isOver,
  )
}

async function runAs(superuser: ControlConnection, role: string, text: string): Promise<void> {
  await superuser.query(`set local role ${role}`)
  await superuser.query(text)
  await superuser.query('reset role')
}

function matching(found: readonly Said[], object: string | RegExp): readonly Said[] {
  return found.filter((said) => (typeof object === 'string' ? said.object === object : object.test(said.object)))
}
