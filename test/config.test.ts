import assert from 'node:assert/strict';
import { isLoopback } from '../src/config.kinds.js';
import { readConfig, SETTINGS } from '../src/config.js';

describe('The settings', () => {
  it('are their defaults where the environment says nothing', () => {
    const defaults = Object.entries(SETTINGS).map(([name, setting]) => [name, setting.default]);
    assert.deepEqual(readConfig({}), Object.fromEntries(defaults));
  });

  it('take what the environment says, each as what it is', () => {
    const env = {
      HOST: '::1',
      PORT: '0',
      LOG_LEVEL: 'silent',
      AUTO_CREATE_WORKSPACES: 'false',
      CORS_ORIGINS: 'https://a.example,https://b.example:8443',
      DRAIN_SECONDS: '600',
    };
    const { host, port, logLevel, autoCreateWorkspaces, corsOrigins, drainSeconds, dataDir } =
      readConfig(env);
    assert.deepEqual(
      { host, port, logLevel, autoCreateWorkspaces, corsOrigins, drainSeconds, dataDir },
      {
        host: '::1',
        port: 0,
        logLevel: 'silent',
        autoCreateWorkspaces: false,
        corsOrigins: ['https://a.example', 'https://b.example:8443'],
        drainSeconds: 600,
        dataDir: './data',
      },
    );
  });

  it('take an empty variable for an absent one', () => {
    assert.equal(readConfig({ PORT: '' }).port, 3000);
  });

  it('make no workspace by themselves where callers are known, unless it is said', () => {
    const env = { AUTH_JWT_SECRET: 'é'.repeat(16) };
    assert.equal(readConfig(env).autoCreateWorkspaces, false);
    const said = { ...env, AUTO_CREATE_WORKSPACES: 'true' };
    assert.equal(readConfig(said).autoCreateWorkspaces, true);
    assert.equal(readConfig({ AUTO_CREATE_WORKSPACES: '' }).autoCreateWorkspaces, true);
  });

  it('refuse a secret that could be guessed, without showing it', () => {
    assert.throws(
      () => readConfig({ AUTH_JWT_SECRET: 'hunter2'.repeat(4) }),
      ({ message }: Error) =>
        /AUTH_JWT_SECRET.*32 bytes/.test(message) && !message.includes('hunter2'),
    );
  });

  it('leave alone what is not theirs', () => {
    assert.deepEqual(readConfig({ PATH: '/bin', PORTS: 'x' }), readConfig({}));
  });

  it('refuse all that is not allowed at once, and say what is', () => {
    const env = { PORT: '65536', LOG_LEVEL: 'loud', DRAIN_SECONDS: '10' };
    assert.throws(() => readConfig(env), {
      message:
        'Invalid settings: PORT is "65536", allowed: 0 to 65535; ' +
        'LOG_LEVEL is "loud", allowed: trace, debug, info, warn, error, fatal, silent',
    });
  });

  for (const [env, values] of Object.entries({
    PORT: ['-1', '1.5', '1e3', '0x10', ' 80', 'http', 'NaN'],
    WAIT_SECONDS_MAX: ['0', '601'],
    AUTO_CREATE_WORKSPACES: ['yes', 'TRUE', '1', 'constructor'],
    CORS_ORIGINS: ['a.example', 'a.example:80', 'https://a.example/', 'https://a.example, *'],
    LOG_LEVEL: ['INFO', '30'],
    ROLES: ['web', 'api,api', 'api, projector', ','],
    KAFKA_BROKERS: ['kafka', 'http://kafka:9092', 'a:1,b'],
    KAFKA_TOPIC_PREFIX: ['events/', 'a b', 'x'.repeat(101)],
    ADMIN_PORT: ['-1', '65536', 'x'],
    AUTH_JWKS_URL: ['http://a/keys', 'ftp://a', 'keys', 'https://u@a/keys'],
    AUTH_TRUSTED_PROXIES: ['proxy', '10.0.0.0/33', '::1/129', '10.0.0.1/', '10.0.0.1/8/8', '1.2.3'],
    ELASTICSEARCH_INDEX_PREFIX: ['Events', '_events', 'a*'],
  })) {
    for (const value of values) {
      it(`refuse ${env}=${value}`, () => {
        assert.throws(
          () => readConfig({ [env]: value }),
          ({ message }: Error) => message.includes(`${env} is "${value}"`),
        );
      });
    }
  }

  it('refuse credentials in a URL without showing them', () => {
    for (const env of ['ELASTICSEARCH_URL', 'SCHEMA_REGISTRY_URL']) {
      for (const url of ['http://u:hunter2@a:1', 'ftp://hunter2', 'hunter2']) {
        assert.throws(
          () => readConfig({ [env]: url }),
          ({ message }: Error) => message.includes(env) && !message.includes('hunter2'),
        );
      }
    }
  });

  for (const [policy, env] of Object.entries({
    'a SASL mechanism without a password': {
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: 'u',
    },
    'a SASL password without a mechanism': { KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' },
    'a certificate without its key': { KAFKA_TLS: 'true', KAFKA_TLS_CERT_FILE: 'c' },
    'certificates to trust where there is no TLS': { KAFKA_TLS_CA_FILE: 'c' },
    'more replicas in sync than there are': { KAFKA_REPLICATION_FACTOR: '1' },
    'a user of Elasticsearch without a password': { ELASTICSEARCH_USERNAME: 'u' },
    'two ways to authenticate with Elasticsearch': {
      ELASTICSEARCH_API_KEY: 'k',
      ELASTICSEARCH_USERNAME: 'u',
      ELASTICSEARCH_PASSWORD: 'p',
    },
    'two ways to verify tokens': {
      AUTH_JWT_SECRET: 'x'.repeat(32),
      AUTH_JWKS_URL: 'https://a/keys',
      AUTH_ISSUER: 'i',
      AUTH_AUDIENCE: 'a',
    },
    'keys that may sign for others too': { AUTH_JWKS_URL: 'https://a/keys', AUTH_ISSUER: 'i' },
    'an issuer without tokens': { AUTH_ISSUER: 'i' },
    'two registries': { SCHEMA_REGISTRY_URL: 'http://a,http://b' },
  })) {
    it(`refuse ${policy}`, () => {
      assert.throws(
        () => readConfig(env),
        ({ message }: Error) => Object.keys(env).some((key) => message.includes(key)),
      );
    });
  }

  it('have defaults that are allowed themselves', () => {
    for (const { env, default: value, kind } of Object.values(SETTINGS)) {
      assert.deepEqual(kind(String(value)), value, env);
    }
  });

  it('have each a variable and a reason of its own', () => {
    const settings = Object.values(SETTINGS);
    for (const key of ['env', 'why'] as const) {
      assert.equal(new Set(settings.map((setting) => setting[key])).size, settings.length);
    }
  });
});

describe('A loopback address', () => {
  it('is one that only this machine reaches', () => {
    for (const host of ['localhost', '127.0.0.1', '127.255.0.9', '::1']) {
      assert.ok(isLoopback(host), host);
    }
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', 'localhost.example']) {
      assert.ok(!isLoopback(host), host);
    }
  });
});
