import { describe, test } from 'node:test'
import { createOnSchema } from '../../../../src/postgres/doctor/checks/create-on-schema.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('create-on-schema finds', () => {
  test('the app’s own schema', (t) =>
    provesCheck(t, createOnSchema, { breaks: 'grant create on schema app to partywall_app', object: 'app for partywall_app' }))

  test('a schema where everybody may', (t) =>
    provesCheck(t, createOnSchema, { breaks: 'create schema free; grant create on schema free to public', object: 'free for public' }))
})
