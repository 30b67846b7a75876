import { describe, test } from 'node:test'
import { unprotectedTable } from '../../../../src/postgres/doctor/checks/unprotected-table.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

describe('unprotected-table finds', () => {
  test('a table that the app was given and nobody protected', (t) =>
    provesCheck(t, unprotectedTable, {
      breaks: `create table app.letters (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)); alter table app.letters owner to partywall_owner; grant select on app.letters to partywall_app`,
      object: 'app.letters',
    }))

  test('one of which the app has a single column', (t) =>
    provesCheck(t, unprotectedTable, {
      breaks: `create table app.letters (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)); alter table app.letters owner to partywall_owner; grant select (id) on app.letters to public`,
      object: 'app.letters',
    }))

  test('one that the login of a tenant’s own was given', (t) =>
    provesCheck(t, unprotectedTable, {
      breaks: `create role t_1 login; grant partywall_tenants to t_1; create schema own; create table own.letters (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)); alter table own.letters owner to partywall_owner; grant usage on schema own to t_1; grant usage, create on schema own to partywall_owner; grant insert on own.letters to t_1`,
      object: 'own.letters',
      mend: 'drop table own.letters',
    }))

  test('a protected table that got another name', (t) =>
    provesCheck(t, unprotectedTable, { breaks: 'alter table app.notes rename to letters', object: 'app.letters', level: 'warning' }))
})
