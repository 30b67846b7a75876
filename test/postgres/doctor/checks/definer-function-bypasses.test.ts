import { describe, test } from 'node:test'
import { definerFunctionBypasses } from '../../../../src/postgres/doctor/checks/definer-function-bypasses.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('definer-function-bypasses finds', () => {
  test('a function of a superuser that everybody may call', (t) =>
    provesCheck(t, definerFunctionBypasses, {
      breaks: `create function app.total() returns bigint language sql security definer as 'select 1::bigint'`,
      object: 'app.total()',
    }))

  test('a function of the gatekeeper', (t) =>
    provesCheck(t, definerFunctionBypasses, {
      breaks: `create function app.total() returns bigint language sql security definer as 'select 1::bigint'; alter function app.total() owner to partywall_gatekeeper`,
      object: 'app.total()',
    }))
})
