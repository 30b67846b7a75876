import { describe, test } from 'node:test'
import { exclusionWithoutTenant } from '../../../../src/postgres/doctor/checks/exclusion-without-tenant.ts'
import { provesCheck } from '../../../support/doctor-stage.ts'

const bookings = `
  create table app.bookings (
    tenant_id uuid not null, id uuid not null, room text not null, hours tstzrange not null,
    constraint bookings_pkey primary key (tenant_id, id)
  );
  select partywall.protect('app.bookings');
  reset role;
  create extension btree_gist schema public;
  alter table app.bookings add constraint bookings_sound_excl exclude using gist (tenant_id with =, hours with -|-),
    add constraint bookings_sound_key unique (tenant_id, room, hours without overlaps)`

describe('exclusion-without-tenant finds', () => {
  test('a room that another tenant has booked', (t) =>
    provesCheck(t, exclusionWithoutTenant, {
      before: bookings,
      breaks: 'alter table app.bookings add constraint bookings_excl exclude using gist (room with =, hours with &&)',
      object: /./,
    }))

  test('one that has the tenant and compares it otherwise than by equality', (t) =>
    provesCheck(t, exclusionWithoutTenant, {
      before: bookings,
      breaks: 'alter table app.bookings add constraint bookings_excl exclude using gist (tenant_id with <>, hours with &&)',
      object: 'bookings_excl on app.bookings',
      mend: `alter table app.bookings drop constraint bookings_excl,
        add constraint bookings_excl exclude using gist (tenant_id with =, hours with &&)`,
    }))

  test('one of a database that is a tenant’s own, as worth knowing', (t) =>
    provesCheck(t, exclusionWithoutTenant, {
      before: bookings,
      breaks: `
        insert into partywall.gates (tenant_id) values ('00000000-0000-0000-0000-000000000ace');
        insert into partywall.logins (login, tenant_id) values ('ace', '00000000-0000-0000-0000-000000000ace');
        alter table app.bookings add constraint bookings_excl exclude using gist (room with =, hours with &&)`,
      object: 'bookings_excl on app.bookings',
      level: 'note',
    }))

  test('a key without overlaps', (t) =>
    provesCheck(t, exclusionWithoutTenant, {
      before: bookings,
      breaks: 'alter table app.bookings add constraint bookings_room_key unique (room, hours without overlaps)',
      object: 'bookings_room_key on app.bookings',
    }))
})
