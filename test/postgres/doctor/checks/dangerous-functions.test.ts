import { describe, test } from 'node:test'
import { dangerousFunctions } from '../../../../src/postgres/doctor/checks/dangerous-functions.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('dangerous-functions finds', () => {
  test('SQL text within a SELECT', (t) =>
    provesCheck(t, dangerousFunctions, {
      breaks: 'grant execute on function query_to_xml(text, boolean, boolean, text) to partywall_app',
      object: /^pg_catalog.query_to_xml\(.* for partywall_app$/,
    }))

  test('files of the server, for everybody', (t) =>
    provesCheck(t, dangerousFunctions, {
      breaks: 'grant execute on function pg_read_file(text) to public',
      object: /^pg_catalog.pg_read_file\(.* for public$/,
    }))

  test('a way to end others’ sessions, as a thinner wall', (t) =>
    provesCheck(t, dangerousFunctions, {
      breaks: 'grant execute on function pg_terminate_backend(integer, bigint) to partywall_app',
      object: /^pg_catalog.pg_terminate_backend/,
      level: 'warning',
    }))

  test('a way in again', (t) =>
    provesCheck(t, dangerousFunctions, { breaks: 'create extension dblink schema app', object: /^app.dblink\(.* for public$/ }))
})
