/* A static network: kelpie.net=ADDRESS/PREFIX,GATEWAY,DNS on the kernel command line. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot.h"
#include "log.h"

struct network {
    struct in_addr address;
    struct in_addr mask;
    struct in_addr gateway;
    char dns[INET_ADDRSTRLEN];
};

static bool parse(char *text, struct network *network)
{
    struct in_addr dns;
    char *address = strsep(&text, "/");
    char *prefix = strsep(&text, ",");
    char *gateway = strsep(&text, ",");
    if (text == NULL)
        return false;
    char *end;
    unsigned long bits = strtoul(prefix, &end, 10);
    if (*end != '\0' || end == prefix || bits < 1 || bits > 32)
        return false;
    network->mask.s_addr = htonl(UINT32_MAX << (32 - bits));
    snprintf(network->dns, sizeof network->dns, "%s", text);
    return inet_pton(AF_INET, address, &network->address) == 1 && inet_pton(AF_INET, gateway, &network->gateway) == 1 &&
           inet_pton(AF_INET, network->dns, &dns) == 1;
}

static bool bring_up(int fd, struct ifreq *request)
{
    if (ioctl(fd, SIOCGIFFLAGS, request) < 0)
        return false;
    request->ifr_flags |= IFF_UP | IFF_RUNNING;
    return ioctl(fd, SIOCSIFFLAGS, request) == 0;
}

static bool set_address(int fd, struct ifreq *request, unsigned long which, struct in_addr address)
{
    struct sockaddr_in value = {.sin_family = AF_INET, .sin_addr = address};
    memcpy(&request->ifr_addr, &value, sizeof value);
    return ioctl(fd, which, request) == 0;
}

static bool add_default_route(int fd, struct in_addr gateway)
{
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr_in any = {.sin_family = AF_INET};
    struct sockaddr_in by = {.sin_family = AF_INET, .sin_addr = gateway};
    memcpy(&route.rt_dst, &any, sizeof any);
    memcpy(&route.rt_genmask, &any, sizeof any);
    memcpy(&route.rt_gateway, &by, sizeof by);
    return ioctl(fd, SIOCADDRT, &route) == 0 || errno == EEXIST;
}

/* The first interface that has a device under it. */
static bool find_card(char *name, size_t capacity)
{
    DIR *folder = opendir("/sys/class/net");
    if (folder == NULL)
        return false;
    bool is_found = false;
    struct dirent *entry;
    while (!is_found && (entry = readdir(folder)) != NULL) {
        char path[512];
        snprintf(path, sizeof path, "/sys/class/net/%s/device", entry->d_name);
        is_found = entry->d_name[0] != '.' && access(path, F_OK) == 0 && strlen(entry->d_name) < capacity;
        if (is_found)
            strcpy(name, entry->d_name);
    }
    closedir(folder);
    return is_found;
}

static void write_resolv_conf(const char *dns)
{
    /* A link to what some resolver keeps, as images often have, would lead nowhere here. */
    unlink("/etc/resolv.conf");
    FILE *file = fopen("/etc/resolv.conf", "we");
    if (file == NULL) {
        log_line("/etc/resolv.conf could not be written (errno %d)", errno);
        return;
    }
    fprintf(file, "nameserver %s\n", dns);
    fclose(file);
}

static void set_up_card(int fd, char *option)
{
    struct network network;
    struct ifreq request = {0};
    if (!parse(option, &network)) {
        log_line("kelpie.net is not ADDRESS/PREFIX,GATEWAY,DNS");
        return;
    }
    if (!find_card(request.ifr_name, sizeof request.ifr_name)) {
        log_line("kelpie.net is given, but there is no network card");
        return;
    }
    bool is_up = set_address(fd, &request, SIOCSIFADDR, network.address) &&
                 set_address(fd, &request, SIOCSIFNETMASK, network.mask) && bring_up(fd, &request) &&
                 add_default_route(fd, network.gateway);
    if (!is_up)
        log_line("the network card %s could not be set up (errno %d)", request.ifr_name, errno);
    write_resolv_conf(network.dns);
}

void boot_network(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        log_line("there is no network (errno %d)", errno);
        return;
    }
    struct ifreq loopback = {.ifr_name = "lo"};
    if (!bring_up(fd, &loopback))
        log_line("loopback could not be set up (errno %d)", errno);
    char option[128];
    if (boot_option("kelpie.net", option, sizeof option))
        set_up_card(fd, option);
    close(fd);
}
