/** What a setting is, and the kinds of values that settings take. */
import { isIP } from 'node:net';

export type Kind<T> = (text: string) => T | undefined;

export interface Setting<T> {
  readonly env: string;
  readonly default: T;
  readonly kind: Kind<T>;
  /** What is allowed, for the error message. */
  readonly allowed: string;
  readonly why: string;
  /** Its value is not shown where it is refused. */
  readonly secret?: true;
}

export const KIB = 1024;
export const MIB = 1024 * KIB;

export const text: Kind<string> = (given) => given;

export const oneOf =
  <T extends string>(...words: readonly T[]): Kind<T> =>
  (given) =>
    words.find((word) => word === given);

/** Some of the words, none twice, separated by commas. */
export const someOf =
  <T extends string>(...words: readonly T[]): Kind<readonly T[]> =>
  (given) => {
    const list = given.split(',');
    const known = words.filter((word) => list.includes(word));
    return known.length === list.length ? known : undefined;
  };

export const flag: Kind<boolean> = (given) =>
  given === 'true' || given === 'false' ? given === 'true' : undefined;

const whole =
  (min: number, max: number): Kind<number> =>
  (given) => {
    const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };

export const origins: Kind<readonly string[]> = (given) => {
  const list = given.split(',').filter((item) => item !== '');
  // Browsers send an origin in one spelling; a setting in another would match none of them.
  const isOrigin = (item: string): boolean => URL.canParse(item) && new URL(item).origin === item;
  return list.every((item) => item === '*' || isOrigin(item)) ? list : undefined;
};

export function number(
  env: string,
  value: number,
  min: number,
  max: number,
  why: string,
): Setting<number> {
  return { env, default: value, kind: whole(min, max), allowed: `${min} to ${max}`, why };
}

/** `host:port`, several separated by commas. */
export const hosts: Kind<readonly string[]> = (given) => {
  const list = given.split(',').filter((item) => item !== '');
  return list.every((item) => /^[^\s:/@]+:\d{1,5}$/.test(item)) ? list : undefined;
};

/** Of HTTP servers, several separated by commas; credentials have settings of their own. */
export const urls: Kind<readonly string[]> = (given) => {
  const list = given.split(',').filter((item) => item !== '');
  const isPlain = (item: string): boolean => {
    const { protocol, username, password } = new URL(item);
    return /^https?:$/.test(protocol) && username === '' && password === '';
  };
  return list.every((item) => URL.canParse(item) && isPlain(item)) ? list : undefined;
};

/** A part of a name in lower case, which Elasticsearch demands of its indices. */
export const indexPrefix: Kind<string> = (given) =>
  /^[a-z0-9][a-z0-9_.-]{0,100}$/.test(given) ? given : undefined;

/** A part of the name of a topic, which leaves room for the id of a workspace. */
export const topicPrefix: Kind<string> = (given) =>
  /^[A-Za-z0-9._-]{0,100}$/.test(given) ? given : undefined;

/** A port, where there may be none. */
export const port: Kind<number | ''> = (given) => (given === '' ? '' : whole(0, 65_535)(given));

/** A secret that is not to be guessed; or none. */
export const longText =
  (bytesMin: number): Kind<string> =>
  (given) =>
    given === '' || Buffer.byteLength(given) >= bytesMin ? given : undefined;

/** Where keys come from, nobody on the way may change them; or none. */
export const httpsUrl: Kind<string> = (given) => {
  if (given === '') {
    return given;
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isHere = url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  return url?.username === '' && (url.protocol === 'https:' || isHere) ? given : undefined;
};

/** Whether an address reaches this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Addresses or networks in CIDR notation, several separated by commas. */
export const addresses: Kind<readonly string[]> = (given) => {
  const list = given.split(',').filter((item) => item !== '');
  const isNetwork = (item: string): boolean => {
    const [address = '', prefix = '0', ...rest] = item.split('/');
    const bits = isIP(address) === 4 ? 32 : 128;
    return isIP(address) > 0 && rest.length === 0 && whole(0, bits)(prefix) !== undefined;
  };
  return list.every(isNetwork) ? list : undefined;
};
