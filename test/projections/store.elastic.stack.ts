import { storeContract } from '../contract/store.contract.js';
import { newPrefix, openStore, removeIndices } from './elastic.js';

storeContract('Elasticsearch', async () => {
  const prefix = newPrefix();
  let store = openStore(prefix);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = openStore(prefix);
      return store;
    },
    dispose: async () => {
      await store.close();
      await removeIndices(prefix);
    },
  };
});
