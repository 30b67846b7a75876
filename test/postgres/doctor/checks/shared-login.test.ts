import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sharedLogin } from '../../../../src/postgres/doctor/checks/shared-login.ts'
import { roles } from '../../../../src/postgres/roles.ts'
import { inBrokenDatabase } from '../../../support/doctor-stage.ts'

describe('shared-login finds', () => {
  for (const shared of [roles.gatekeeper, roles.migrator, roles.owner, roles.doctor]) {
    test(`an application that logs in as ${shared}, and nothing once it has a login of its own`, (t) =>
      inBrokenDatabase(t, async (control) => {
        const look = (appRole: string) => sharedLogin.find({ control, appRole, serverVersion: 180_000, now: new Date() })
        assert.deepEqual(
          (await look(shared)).map(({ object, fix }) => ({ object, fix })),
          [{ object: shared, fix: null }],
        )
        assert.deepEqual(await look(roles.app), [])
      }))
  }
})
