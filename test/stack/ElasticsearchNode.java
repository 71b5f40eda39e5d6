import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one node of Elasticsearch until the process is ended: {@code CONFIG_FOLDER NAME=VALUE...}.
 *
 * <p>The server's own main class wants the whole distribution around it, which is not in Maven
 * Central.
 */
public class ElasticsearchNode {
  public static void main(String[] args) throws Exception {
    LogConfigurator.configureESLogging();
    var settings = Settings.builder();
    for (String setting : Arrays.asList(args).subList(1, args.length)) {
      String[] pair = setting.split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    var environment = new Environment(settings.build(), Path.of(args[0]));
    var plugins =
        PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir(), false),
            PluginsLoader.loadPluginsBundles(environment.pluginsDir(), false),
            Map.of());
    new Node(environment, plugins) {}.start();
    Thread.currentThread().join();
  }
}
